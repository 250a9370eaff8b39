#include "log_ring.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "protocol.h"
#include "text.h"

enum { LEVEL_ERROR = 3 };

uint64_t log_ring_oldest(const struct log_ring *ring)
{
	return ring->newest > LOG_RING_SIZE ? ring->newest - LOG_RING_SIZE : 0;
}

void log_ring_append(struct log_ring *ring, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		ring->bytes[(ring->newest + i) % LOG_RING_SIZE] = (uint8_t)text[i];
	ring->newest += length;
}

static uint64_t resolve(const struct log_ring *ring, uint16_t low)
{
	uint64_t oldest = log_ring_oldest(ring);
	uint64_t offset = (ring->newest & ~(uint64_t)0xffff) | low;

	if (offset > ring->newest) {
		if (offset <= 0xffff)
			return oldest;
		offset -= 0x10000;
	}
	return offset < oldest ? oldest : offset;
}

size_t log_ring_answer(const struct log_ring *ring, uint16_t low, uint8_t *into, size_t size)
{
	uint64_t start = resolve(ring, low);
	size_t length = (size_t)(ring->newest - start);

	if (length > size - LOG_HEAD_SIZE)
		length = size - LOG_HEAD_SIZE;
	put16(into, 0);
	put16(into + 2, LOG_HEAD_SIZE);
	put32(into + 4, 0);
	put64(into + 8, log_ring_oldest(ring));
	put64(into + 16, start);
	put64(into + 24, ring->newest);
	for (size_t i = 0; i < length; i++)
		into[LOG_HEAD_SIZE + i] = ring->bytes[(start + i) % LOG_RING_SIZE];
	return LOG_HEAD_SIZE + length;
}

/* A decimal number up to the comma behind it. */
static bool take_number(const char **at, const char *end, uint64_t *into)
{
	const char *p = *at;
	uint64_t value = 0;

	while (p < end && *p >= '0' && *p <= '9' && value < UINT64_MAX / 16)
		value = value * 10 + (uint64_t)(*p++ - '0');
	if (p == *at || p == end || *p != ',')
		return false;
	*at = p + 1;
	*into = value;
	return true;
}

static bool begins(const char *at, const char *end, const char *prefix)
{
	size_t length = strlen(prefix);

	return (size_t)(end - at) >= length && !memcmp(at, prefix, length);
}

size_t log_ring_line(const char *record, size_t length, char *into, size_t size)
{
	const char *at = record, *end = record + length, *text, *line_end;
	uint64_t priority, sequence, microseconds;
	size_t head, kept;

	if (!take_number(&at, end, &priority) || !take_number(&at, end, &sequence) ||
	    !take_number(&at, end, &microseconds))
		return 0;
	text = memchr(at, ';', (size_t)(end - at));
	if (!text)
		return 0;
	text++;
	line_end = memchr(text, '\n', (size_t)(end - text));
	if (!line_end)
		line_end = end;
	/* The facility is above the 3 bits of the level; that of the kernel is 0. */
	if (!begins(text, line_end, "stage0: ") && priority > LEVEL_ERROR)
		return 0;
	head = text_format(into, size, "%u %lu.%06u ", (unsigned)(priority & 7),
			   (unsigned long)(microseconds / 1000000),
			   (unsigned)(microseconds % 1000000));
	if (head + 1 >= size)
		return 0;
	kept = (size_t)(line_end - text);
	if (kept > size - head - 1)
		kept = size - head - 1;
	memcpy(into + head, text, kept);
	into[head + kept] = '\n';
	return head + kept + 1;
}
