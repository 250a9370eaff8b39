#ifndef FB_LIBC_STDLIB_H
#define FB_LIBC_STDLIB_H
#include <stddef.h>
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *pointer, size_t size);
void free(void *pointer);
_Noreturn void abort(void);
unsigned long strtoul(const char *text, char **end, int base);
#endif
