#ifndef FB_LIBC_INTTYPES_H
#define FB_LIBC_INTTYPES_H
#include <stdint.h>
#define PRIu32 "u"
#define PRIx32 "x"
#define PRIX32 "X"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIX64 "llX"
#endif
