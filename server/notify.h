/* notify.h - words to the service manager, if there is one. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/** Send "READY=1", "STOPPING=1", … to $NOTIFY_SOCKET; nothing happens without one. */
void notify_manager(const char *state);

#endif
