/* grown_used.c - a plug-in that uses what this boltzd does not know. */
#define MORE open_
#include "grown.h"
