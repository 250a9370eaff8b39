/* Tests of the gadget: each runs in a process of its own and says "ok NAME" or "not ok NAME". */
#ifndef GADGET_TEST_H
#define GADGET_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Defines a test; its name is what it says of its subject. */
#define TEST(function, text)                                                                       \
	static void function(void);                                                                \
	__attribute__((constructor)) static void register_##function(void)                        \
	{                                                                                          \
		gadget_test_add(text, function);                                                   \
	}                                                                                          \
	static void function(void)

#define CHECK(condition) gadget_test_check((condition), __FILE__, __LINE__, #condition)
#define SAME(found, expected)                                                                      \
	gadget_test_same((int64_t)(found), (int64_t)(expected), __FILE__, __LINE__, #found)
#define SAME_TEXT(found, expected) gadget_test_text(found, expected, __FILE__, __LINE__)
/* Compares with bytes in hexadecimal, spaces between them as one likes. */
#define SAME_BYTES(found, size, hex) gadget_test_bytes(found, size, hex, __FILE__, __LINE__)

void gadget_test_add(const char *name, void (*run)(void));
void gadget_test_check(bool is_true, const char *file, int line, const char *text);
void gadget_test_same(int64_t found, int64_t expected, const char *file, int line,
		      const char *text);
void gadget_test_text(const char *found, const char *expected, const char *file, int line);
void gadget_test_bytes(const void *found, size_t size, const char *hex, const char *file,
		       int line);

/* A number from the next of a fixed sequence, below `limit`. */
uint32_t gadget_test_random(uint32_t limit);

#endif
