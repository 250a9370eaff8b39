#include "text.h"

#include <sys/types.h>

/* Where text goes; counts on behind the end, as snprintf does. */
struct sink {
	char *into;
	size_t size;
	size_t length;
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->into[sink->length] = c;
	sink->length++;
}

static void put_text(struct sink *sink, const char *text)
{
	while (*text)
		put(sink, *text++);
}

static void put_number(struct sink *sink, uint64_t value, unsigned base, unsigned width, char pad)
{
	char digits[20]; /* of 2^64 - 1 */
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	for (unsigned i = count; i < width; i++)
		put(sink, pad);
	while (count > 0)
		put(sink, digits[--count]);
}

static void put_errno(struct sink *sink, int number)
{
	const char *name = errno_name(number);

	if (name[0] == 'E')
		put_text(sink, name);
	else
		put_number(sink, number < 0 ? 0u - (unsigned)number : (unsigned)number, 10, 0, ' ');
}

/* How wide the next argument is. */
enum size { SIZE_INT, SIZE_LONG, SIZE_SIZE };

static uint64_t take_unsigned(va_list *list, enum size size)
{
	if (size == SIZE_LONG)
		return va_arg(*list, unsigned long);
	if (size == SIZE_SIZE)
		return va_arg(*list, size_t);
	return va_arg(*list, unsigned);
}

static int64_t take_signed(va_list *list, enum size size)
{
	if (size == SIZE_LONG)
		return va_arg(*list, long);
	if (size == SIZE_SIZE)
		return va_arg(*list, ssize_t);
	return va_arg(*list, int);
}

/* One conversion, behind its '%'; gives what follows it. */
static const char *put_argument(struct sink *sink, const char *format, va_list *list)
{
	char pad = ' ';
	unsigned width = 0;
	enum size size = SIZE_INT;
	int64_t number;
	const char *text;

	if (*format == '0')
		pad = '0';
	while (*format >= '0' && *format <= '9')
		width = width * 10 + (unsigned)(*format++ - '0');
	if (*format == 'l' || *format == 'z')
		size = *format++ == 'l' ? SIZE_LONG : SIZE_SIZE;
	switch (*format) {
	case '\0':
		return format;
	case 's':
		text = va_arg(*list, const char *);
		put_text(sink, text ? text : "(none)");
		break;
	case 'c':
		put(sink, (char)va_arg(*list, int));
		break;
	case 'd':
		number = take_signed(list, size);
		if (number < 0)
			put(sink, '-');
		put_number(sink, number < 0 ? 0u - (uint64_t)number : (uint64_t)number, 10, width,
			   pad);
		break;
	case 'u':
		put_number(sink, take_unsigned(list, size), 10, width, pad);
		break;
	case 'x':
		put_number(sink, take_unsigned(list, size), 16, width, pad);
		break;
	case 'e':
		put_errno(sink, va_arg(*list, int));
		break;
	default:
		put(sink, *format);
	}
	return format + 1;
}

size_t text_format_list(char *into, size_t size, const char *format, va_list list)
{
	struct sink sink = { .into = into, .size = size };
	va_list rest;

	va_copy(rest, list);
	while (*format) {
		if (*format != '%')
			put(&sink, *format++);
		else
			format = put_argument(&sink, format + 1, &rest);
	}
	va_end(rest);
	if (size > 0)
		into[sink.length < size ? sink.length : size - 1] = '\0';
	return sink.length;
}

size_t text_format(char *into, size_t size, const char *format, ...)
{
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_format_list(into, size, format, list);
	va_end(list);
	return length;
}

void text_clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
	}
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

bool text_number(const char *text, uint64_t most, uint64_t *into)
{
	unsigned base = 10;
	uint64_t value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)digit_of(*text);

		if (digit >= base || digit > most || value > (most - digit) / base)
			return false;
		value = value * base + digit;
	}
	*into = value;
	return true;
}
