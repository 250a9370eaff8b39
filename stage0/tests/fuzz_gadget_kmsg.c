/* Records of the kernel's log: a line or nothing, and answers to LOG that hold what was written. */
#include <stdlib.h>
#include <string.h>

#include "gadget/bytes.h"
#include "gadget/log_ring.h"
#include "gadget/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct log_ring ring;
	static uint8_t reply[4096];
	char line[200];
	size_t length = log_ring_line((const char *)data, size, line, sizeof(line));
	uint64_t start;

	if (length > sizeof(line))
		abort();
	if (length && (line[length - 1] != '\n' || line[0] < '0' || line[0] > '7' || line[1] != ' ' ||
		       memchr(line, '\n', length) != line + length - 1))
		abort();
	log_ring_append(&ring, line, length);
	if (size < 4)
		return 0;
	length = log_ring_answer(&ring, get16(data), reply, 32 + get16(data + 2) % 4000);
	start = get64(reply + 16);
	if (length < LOG_HEAD_SIZE || start < get64(reply + 8) || start > get64(reply + 24) ||
	    get64(reply + 24) != ring.newest)
		abort();
	for (size_t i = LOG_HEAD_SIZE; i < length; i++) {
		if (reply[i] != ring.bytes[(start + i - LOG_HEAD_SIZE) % LOG_RING_SIZE])
			abort();
	}
	return 0;
}
