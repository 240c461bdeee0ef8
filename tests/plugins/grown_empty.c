/* grown_empty.c - a plug-in that knows a newer table and uses none of what is new. */
#define MORE NULL
#include "grown.h"
