/* Messages and descriptors, against the vectors of docs/PROTOCOL.md. */
#include <linux/usb/functionfs.h>
#include <string.h>

#include "gadget/bytes.h"
#include "gadget/descriptors.h"
#include "gadget/protocol.h"
#include "gadget_test.h"

TEST(ident_vector, "ident_encode() gives the vector")
{
	uint8_t bytes[IDENT_SIZE];

	ident_encode(bytes);
	SAME_BYTES(bytes, sizeof(bytes), "534d4f4f 0000 0100");
}

TEST(status_vector, "status_encode() gives the vector, and no flag without exports")
{
	uint8_t bytes[STATUS_SIZE];

	status_encode(bytes, 1, 0x1122334455667788);
	SAME_BYTES(bytes, sizeof(bytes), "0000 0100 01000000 8877665544332211");
	status_encode(bytes, 0, 1);
	SAME_BYTES(bytes, sizeof(bytes), "0000 0000 00000000 0100000000000000");
}

TEST(request_vector, "request_encode() gives the vector")
{
	struct message read = { .opcode = OP_READ, .request_id = 5, .export_id = 0x11223344,
				.lba = 0x1000, .num_blocks = 256 };
	uint8_t bytes[MESSAGE_SIZE];

	request_encode(bytes, &read);
	SAME_BYTES(bytes, sizeof(bytes),
		   "00000000 05000000 44332211 0010000000000000 00010000 00000000");
}

TEST(response_vector, "response_decode() reads the vector of an error")
{
	static const uint8_t bytes[MESSAGE_SIZE] = { 0, 5, 0, 0, 5, 0, 0, 0, 0x44, 0x33, 0x22, 0x11,
						     0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct message response;

	response_decode(bytes, &response);
	SAME(response.opcode, OP_READ);
	SAME(response.status, 5);
	SAME(response.request_id, 5);
	SAME(response.export_id, 0x11223344);
	SAME(response.lba, 0x1000);
	SAME(response.num_blocks, 256);
}

TEST(controls, "control_kind() goes by bmRequestType and bRequest")
{
	SAME(control_kind(0xc1, 1), CONTROL_IDENT);
	SAME(control_kind(0x41, 2), CONTROL_CONFIG_EXPORTS);
	SAME(control_kind(0xa1, 3), CONTROL_STATUS);
	SAME(control_kind(0xc1, 4), CONTROL_LOG);
	SAME(control_kind(0xc1, 3), CONTROL_UNKNOWN);
	SAME(control_kind(0x41, 1), CONTROL_UNKNOWN);
	SAME(control_kind(0xc0, 1), CONTROL_UNKNOWN);
	SAME(control_kind(0xc1, 0), CONTROL_UNKNOWN);
}

/* CONFIG_EXPORTS of `count` good exports. */
static size_t make_config(uint8_t bytes[CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE], unsigned count)
{
	memset(bytes, 0, CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE);
	put16(bytes + 2, (uint16_t)count);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *at = bytes + CONFIG_HEAD_SIZE + i * CONFIG_RECORD_SIZE;

		put32(at, 0x11223344 + i);
		put32(at + 4, 512);
		put64(at + 8, 1 << 30);
	}
	return CONFIG_HEAD_SIZE + (size_t)count * CONFIG_RECORD_SIZE;
}

TEST(config_vector, "config_decode() reads the vector")
{
	static const uint8_t bytes[] = { 0, 0, 1, 0, 0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, 0, 2, 0, 0,
					 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct export_list list;
	int index;

	SAME(sizeof(bytes), 32);
	CHECK(!config_decode(bytes, sizeof(bytes), &list, &index));
	SAME(list.count, 1);
	SAME(list.exports[0].id, 0x11223344);
	SAME(list.exports[0].block_size, 512);
	SAME(list.exports[0].size, 1 << 30);
	SAME(list.exports[0].flags, 0);
}

TEST(config_counts, "config_decode() takes 0, 1 and 32 exports and refuses 33")
{
	uint8_t bytes[CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE];
	static const unsigned good[] = { 0, 1, 32 };
	struct export_list list;
	int index;

	for (unsigned i = 0; i < 3; i++) {
		size_t size = make_config(bytes, good[i]);

		CHECK(config_length_is_valid(size));
		CHECK(!config_decode(bytes, size, &list, &index));
		SAME(list.count, good[i]);
	}
	CHECK(!config_length_is_valid(make_config(bytes, 33)));
	CHECK(config_decode(bytes, make_config(bytes, 33), &list, &index));
}

TEST(config_lengths, "config_decode() refuses every length that is not that of its count")
{
	uint8_t bytes[CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE];
	size_t right = make_config(bytes, 2);
	struct export_list list;
	int index;

	for (size_t size = 0; size <= CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE; size++)
		SAME(!config_decode(bytes, size, &list, &index), size == right);
}

/* Changes one field of the second of three exports and gives what is said about it. */
static const char *spoiled(unsigned offset, unsigned width, uint64_t value)
{
	uint8_t bytes[CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE];
	size_t size = make_config(bytes, 3);
	uint8_t *at = bytes + CONFIG_HEAD_SIZE + CONFIG_RECORD_SIZE + offset;
	static struct export_list list;
	const char *problem;
	int index;

	if (width == 4)
		put32(at, (uint32_t)value);
	else
		put64(at, value);
	problem = config_decode(bytes, size, &list, &index);
	if (problem)
		SAME(index, 1);
	return problem;
}

TEST(config_content, "config_decode() names what is wrong with an export")
{
	SAME_TEXT(spoiled(0, 4, 0), "its id is 0");
	SAME_TEXT(spoiled(0, 4, 0x11223344), "another one has its id");
	SAME_TEXT(spoiled(4, 4, 0), "its block size is not within 512 and 65536");
	SAME_TEXT(spoiled(4, 4, 256), "its block size is not within 512 and 65536");
	SAME_TEXT(spoiled(4, 4, 131072), "its block size is not within 512 and 65536");
	SAME_TEXT(spoiled(4, 4, 1536), "its block size is no power of two");
	SAME_TEXT(spoiled(8, 8, 0), "its size is 0");
	SAME_TEXT(spoiled(8, 8, 1000), "its size is no multiple of the block size");
	CHECK(!spoiled(4, 4, 65536));
	/* Linux counts the bytes of a block device in a signed number. */
	CHECK(!spoiled(8, 8, 0x7ffffffffffffe00));
	SAME_TEXT(spoiled(8, 8, 0x8000000000000000), "its size is above 2^63 - 1");
	CHECK(!spoiled(16, 8, 0xffffffffffffffff));
}

TEST(config_head, "config_decode() refuses other versions and flags in the head")
{
	uint8_t bytes[CONFIG_MAX_SIZE + CONFIG_RECORD_SIZE];
	size_t size = make_config(bytes, 1);
	struct export_list list;
	int index;

	bytes[0] = 1;
	SAME_TEXT(config_decode(bytes, size, &list, &index), "its version is not 0");
	bytes[0] = 0;
	bytes[7] = 1;
	SAME_TEXT(config_decode(bytes, size, &list, &index), "its flags are not 0");
	SAME(index, -1);
}

TEST(descriptors_bytes, "descriptors_encode() gives the bytes that FunctionFS wants")
{
	uint8_t bytes[DESCRIPTORS_SIZE];

	descriptors_encode(bytes, false);
	SAME_BYTES(bytes, sizeof(bytes),
		   "03000000 9f000000 07000000 05000000 05000000 09000000 "
		   /* full speed */
		   "0904000004ff534d01 0705 8103 4000 01 0705 0203 4000 01 "
		   "0705 8302 4000 00 0705 0402 4000 00 "
		   /* high speed */
		   "0904000004ff534d01 0705 8103 4000 01 0705 0203 4000 01 "
		   "0705 8302 0002 00 0705 0402 0002 00 "
		   /* SuperSpeed: a companion behind each endpoint */
		   "0904000004ff534d01 0705 8103 4000 01 0630 0000 4000 0705 0203 4000 01 0630 0000 4000 "
		   "0705 8302 0004 00 0630 0f00 0000 0705 0402 0004 00 0630 0f00 0000");
	SAME(FUNCTIONFS_DESCRIPTORS_MAGIC_V2, 3);
}

TEST(descriptors_mimic, "descriptors_encode() takes the triple of fastboot when it should")
{
	uint8_t plain[DESCRIPTORS_SIZE], mimic[DESCRIPTORS_SIZE];
	unsigned differ = 0;

	descriptors_encode(plain, false);
	descriptors_encode(mimic, true);
	for (unsigned i = 0; i < DESCRIPTORS_SIZE; i++) {
		if (plain[i] == mimic[i])
			continue;
		CHECK((plain[i] == 0x53 && mimic[i] == 0x42) ||
		      (plain[i] == 0x4d && mimic[i] == 0x03));
		differ++;
	}
	SAME(differ, 6);
}

TEST(strings_bytes, "strings_encode() gives one string in English")
{
	uint8_t bytes[STRINGS_SIZE];

	strings_encode(bytes);
	SAME_BYTES(bytes, sizeof(bytes), "02000000 17000000 01000000 01000000 0904 736d6f6f00");
}
