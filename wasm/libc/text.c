/* The few functions on zero-ended strings that libfdt wants beyond strlen(). */
#include <stdlib.h>
#include <string.h>

char *strchr(const char *text, int byte)
{
	for (;; text++) {
		if (*text == (char)byte)
			return (char *)text;
		if (!*text)
			return NULL;
	}
}

char *strrchr(const char *text, int byte)
{
	const char *found = NULL;

	for (;; text++) {
		if (*text == (char)byte)
			found = text;
		if (!*text)
			return (char *)found;
	}
}

size_t strnlen(const char *text, size_t max)
{
	size_t size = 0;

	while (size < max && text[size])
		size++;
	return size;
}

/* Digits of base 10 alone: no space, no sign, no check for overflow. */
unsigned long strtoul(const char *text, char **end, int base)
{
	unsigned long number = 0;

	(void)base;
	for (; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (unsigned long)(*text - '0');
	*end = (char *)text;
	return number;
}
