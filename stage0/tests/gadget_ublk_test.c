/* Descriptors of ublk, and the log for the host. */
#include <errno.h>
#include <string.h>

#include "gadget/bytes.h"
#include "gadget/log_ring.h"
#include "gadget/ublk.h"
#include "gadget_test.h"

static int map(uint32_t op, uint32_t sectors, uint64_t start, struct message *into, uint32_t *bytes)
{
	struct ublk_io_desc desc = { .op_flags = op, .nr_sectors = sectors, .start_sector = start };

	return ublk_request(&desc, 4096, 1 << 20, into, bytes);
}

TEST(ublk_ops, "ublk_request() maps reads, writes, flushes and discards")
{
	struct message message;
	uint32_t bytes;

	SAME(map(0, 16, 80, &message, &bytes), 1);
	SAME(message.opcode, OP_READ);
	SAME(message.lba, 10);
	SAME(message.num_blocks, 2);
	SAME(bytes, 8192);
	/* flags of the block layer are above the opcode */
	SAME(map(1 | 1 << 9, 2048, 8, &message, &bytes), 1);
	SAME(message.opcode, OP_WRITE);
	SAME(bytes, 1 << 20);
	SAME(map(2, 0, 3, &message, &bytes), 1);
	SAME(message.opcode, OP_FLUSH);
	SAME(bytes, 0);
	SAME(map(3, 1 << 24, 0, &message, &bytes), 1);
	SAME(message.opcode, OP_DISCARD);
	SAME(message.num_blocks, 1 << 21);
	SAME(bytes, 0);
}

TEST(ublk_refused, "ublk_request() refuses what cannot be asked of a host")
{
	struct message message;
	uint32_t bytes;

	SAME(map(4, 8, 0, &message, &bytes), -EOPNOTSUPP);
	SAME(map(5, 8, 0, &message, &bytes), -EOPNOTSUPP);
	SAME(map(255, 8, 0, &message, &bytes), -EOPNOTSUPP);
	SAME(map(0, 8, 1, &message, &bytes), -EINVAL);
	SAME(map(0, 9, 8, &message, &bytes), -EINVAL);
	SAME(map(0, 2056, 0, &message, &bytes), -EINVAL);
	SAME(map(0, 0, 8, &message, &bytes), 0);
	SAME(map(0, 0xfffffff8, 8, &message, &bytes), -EINVAL);
}

TEST(ublk_parameters, "ublk_parameters_fill() gives geometry, whole blocks and the read-only attribute")
{
	struct export_record record = { .id = 1, .block_size = 4096, .size = 1 << 20, .flags = 1 };
	struct ublk_parameters parameters;

	ublk_parameters_fill(&parameters, &record, 1 << 20);
	SAME(parameters.len, 40);
	SAME(parameters.types, 1);
	SAME(parameters.attrs, 1);
	SAME(parameters.logical_bs_shift, 12);
	SAME(parameters.physical_bs_shift, 12);
	SAME(parameters.max_sectors, 2048);
	SAME(parameters.dev_sectors, 2048);
	record.flags = 0xfffffffffffffffe;
	ublk_parameters_fill(&parameters, &record, 12288);
	SAME(parameters.attrs, 0);
	SAME(parameters.max_sectors, 24);
}

TEST(ublk_numbers, "commands of ublk have the numbers of the kernel")
{
	SAME(UBLK_ADD_DEV, 0xc0207504);
	SAME(UBLK_START_DEV, 0xc0207506);
	SAME(UBLK_END_RECOVERY, 0xc0207511);
	SAME(UBLK_FETCH, 0xc0107520);
	SAME(UBLK_COMMIT_AND_FETCH, 0xc0107521);
	SAME(ublk_descriptors_offset(0, 4096), 0);
	SAME(ublk_descriptors_offset(3, 4096), 3 * 98304);
	SAME(ublk_descriptors_offset(1, 65536), 131072);
}

static const char *line_of(const char *record)
{
	static char line[65]; /* a NUL behind it */
	size_t length = log_ring_line(record, strlen(record), line, sizeof(line) - 1);

	line[length] = '\0';
	return line;
}

TEST(log_lines, "log_ring_line() takes lines of stage0 and errors of the kernel")
{
	SAME_TEXT(line_of("14,339,5140900,-;stage0: hello\n"), "6 5.140900 stage0: hello\n");
	SAME_TEXT(line_of("3,1,12000001,-;something broke\n SUBSYSTEM=usb\n DEVICE=x\n"),
		  "3 12.000001 something broke\n");
	SAME_TEXT(line_of("11,1,1,-,caller=T1;stage0: bad"), "3 0.000001 stage0: bad\n");
	/* not of the kernel, not bad enough, not ours */
	SAME_TEXT(line_of("11,1,1,-;daemon: bad\n"), "");
	SAME_TEXT(line_of("4,1,1,-;a warning\n"), "");
	SAME_TEXT(line_of("6,1,1,-;stage0\n"), "");
}

TEST(log_damaged, "log_ring_line() gives nothing for what is no record, and cuts long lines")
{
	static const char *const bad[] = { "", ";", ",,,;stage0: x", "3", "3,", "3,1,", "3,1,1",
					   "3,1,1,-", "x,1,1,-;y", " KEY=value",
					   "99999999999999999999999,1,1,-;y", "-3,1,1,-;y" };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		SAME_TEXT(line_of(bad[i]), "");
	SAME_TEXT(line_of("3,1,0,-;0123456789012345678901234567890123456789012345678901234567890"),
		  "3 0.000000 0123456789012345678901234567890123456789012345678901\n");
}

/* A ring with `total` bytes written: byte number n is n * 7. */
static const struct log_ring *ring_of(uint64_t total)
{
	static struct log_ring ring;

	memset(&ring, 0, sizeof(ring));
	for (uint64_t i = 0; i < total; i++) {
		char byte = (char)(i * 7);

		log_ring_append(&ring, &byte, 1);
	}
	return &ring;
}

/* Asks for an offset and checks the whole answer. */
static void ask(const struct log_ring *ring, uint16_t low, size_t size, uint64_t start,
		size_t length)
{
	static uint8_t reply[LOG_HEAD_SIZE + LOG_RING_SIZE];

	SAME(log_ring_answer(ring, low, reply, size), LOG_HEAD_SIZE + length);
	SAME(get16(reply), 0);
	SAME(get16(reply + 2), 32);
	SAME(get32(reply + 4), 0);
	SAME(get64(reply + 8), log_ring_oldest(ring));
	SAME(get64(reply + 16), start);
	SAME(get64(reply + 24), ring->newest);
	for (size_t i = 0; i < length; i++)
		SAME(reply[LOG_HEAD_SIZE + i], (uint8_t)((start + i) * 7));
}

TEST(log_answers, "log_ring_answer() finds the offset that is meant, and begins at the oldest without")
{
	const struct log_ring *ring = ring_of(0);

	ask(ring, 0, 32, 0, 0);
	ask(ring, 9, 64, 0, 0);
	ring = ring_of(100);
	ask(ring, 0, 32, 0, 0);
	ask(ring, 0, 64, 0, 32);
	ask(ring, 90, 4096, 90, 10);
	ask(ring, 100, 4096, 100, 0);
	ask(ring, 101, 4096, 0, 100); /* never written: from the oldest */
	ring = ring_of(70000);
	SAME(log_ring_oldest(ring), 70000 - 32768);
	ask(ring, 70000 & 0xffff, 64, 70000, 0);
	ask(ring, 69000 & 0xffff, 4096, 69000, 1000);
	ask(ring, 40000, 32 + 32768, 40000, 30000);
	ask(ring, 30000, 64, 70000 - 32768, 32); /* overwritten */
	ask(ring, 65535, 40, 65535, 8);
}
