/*
 * The last of the log, for the host: bytes addressed by an offset that grows for ever. Pure.
 *
 * Holds lines "L SSSSS.UUUUUU text\n": level of syslog, seconds since the kernel started.
 */
#ifndef GADGET_LOG_RING_H
#define GADGET_LOG_RING_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_RING_SIZE = 32 << 10 };

struct log_ring {
	uint64_t newest; /* offset of the byte that comes next */
	uint8_t bytes[LOG_RING_SIZE];
};

uint64_t log_ring_oldest(const struct log_ring *ring);
void log_ring_append(struct log_ring *ring, const char *text, size_t length);

/*
 * Answers LOG: 32 bytes of head, then the log from the offset that was asked for.
 *
 * @param low The low 16 bits of that offset: the greatest that has them and was already written is
 *     meant; what is no longer there begins at the oldest byte.
 * @param size At least 32.
 * @return Bytes written.
 */
size_t log_ring_answer(const struct log_ring *ring, uint16_t low, uint8_t *into, size_t size);

/*
 * A record of /dev/kmsg as a line of the ring, when it is one for the host: of stage0, or an error of
 * the kernel itself. The lines behind the first (keys and values) are left out.
 *
 * @return Length of the line; 0 when it is none.
 */
size_t log_ring_line(const char *record, size_t length, char *into, size_t size);

#endif
