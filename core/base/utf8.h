/* utf8.h - one UTF-8 sequence at a time. Not part of the library's interface. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/** Length of the UTF-8 sequence at `s` (s < end), 0 when there is none. */
static inline int utf8_length(const unsigned char *s, const unsigned char *end) {
  if (s[0] < 0x80) return 1;
  int n = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
          : (s[0] & 0xf0) == 0xe0       ? 3
          : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                        : 0;
  if (n == 0 || end - s < n) return 0;
  for (int k = 1; k < n; k++)
    if ((s[k] & 0xc0) != 0x80) return 0;
  if (s[0] == 0xe0 && s[1] < 0xa0) return 0; /* overlong */
  if (s[0] == 0xed && s[1] > 0x9f) return 0; /* surrogates */
  if (s[0] == 0xf0 && s[1] < 0x90) return 0; /* overlong */
  if (s[0] == 0xf4 && s[1] > 0x8f) return 0; /* beyond U+10FFFF */
  return n;
}

#endif
