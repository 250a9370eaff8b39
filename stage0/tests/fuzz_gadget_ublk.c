/* Descriptors of the driver: a Request fits the buffer, whole blocks, and says the same as its bytes. */
#include <stdlib.h>
#include <string.h>

#include "gadget/ublk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ublk_io_desc desc;
	struct message message;
	uint32_t block_size, most, bytes;
	int result;

	if (size < sizeof(desc) + 2)
		return 0;
	memcpy(&desc, data, sizeof(desc));
	block_size = 512u << data[sizeof(desc)] % 8;
	most = 4096u * (1 + data[sizeof(desc) + 1]);
	result = ublk_request(&desc, block_size, most, &message, &bytes);
	if (result > 1 || bytes > most || bytes % block_size)
		abort();
	if (result <= 0 && bytes)
		abort();
	if (result == 1 && (message.opcode == OP_READ || message.opcode == OP_WRITE) &&
	    (!bytes || bytes != message.num_blocks * block_size))
		abort();
	return 0;
}
