#include "protocol.h"

#include <string.h>

#include "bytes.h"

enum {
	VENDOR_IN = 0xc1, /* device to host, vendor, interface */
	VENDOR_OUT = 0x41,
	CLASS_IN = 0xa1, /* STATUS is a class request in every implementation */
	STATUS_ACTIVE = 1,
};

enum control control_kind(uint8_t request_type, uint8_t request)
{
	if (request_type == VENDOR_IN && request == 1)
		return CONTROL_IDENT;
	if (request_type == VENDOR_OUT && request == 2)
		return CONTROL_CONFIG_EXPORTS;
	if (request_type == CLASS_IN && request == 3)
		return CONTROL_STATUS;
	if (request_type == VENDOR_IN && request == 4)
		return CONTROL_LOG;
	return CONTROL_UNKNOWN;
}

bool config_length_is_valid(size_t length)
{
	return length >= CONFIG_HEAD_SIZE && length <= CONFIG_MAX_SIZE &&
	       (length - CONFIG_HEAD_SIZE) % CONFIG_RECORD_SIZE == 0;
}

static const char *record_problem(const struct export_record *record)
{
	uint32_t block_size = record->block_size;

	if (record->id == 0)
		return "its id is 0";
	if (block_size < MIN_BLOCK_SIZE || block_size > MAX_BLOCK_SIZE)
		return "its block size is not within 512 and 65536";
	if (block_size & (block_size - 1))
		return "its block size is no power of two";
	if (record->size == 0)
		return "its size is 0";
	if (record->size > INT64_MAX)
		return "its size is above 2^63 - 1";
	if (record->size % block_size)
		return "its size is no multiple of the block size";
	return NULL;
}

const char *config_decode(const uint8_t *bytes, size_t length, struct export_list *into,
			  int *index)
{
	*index = -1;
	if (!config_length_is_valid(length))
		return "its length fits no number of exports";
	if (get16(bytes) != 0)
		return "its version is not 0";
	if (get32(bytes + 4) != 0)
		return "its flags are not 0";
	into->count = get16(bytes + 2);
	if (length != CONFIG_HEAD_SIZE + (size_t)into->count * CONFIG_RECORD_SIZE)
		return "its length does not fit its number of exports";
	for (uint32_t i = 0; i < into->count; i++) {
		const uint8_t *at = bytes + CONFIG_HEAD_SIZE + i * CONFIG_RECORD_SIZE;
		struct export_record *record = &into->exports[i];
		const char *problem;

		*index = (int)i;
		record->id = get32(at);
		record->block_size = get32(at + 4);
		record->size = get64(at + 8);
		record->flags = get64(at + 16);
		problem = record_problem(record);
		if (problem)
			return problem;
		for (uint32_t j = 0; j < i; j++) {
			if (into->exports[j].id == record->id)
				return "another one has its id";
		}
	}
	return NULL;
}

void ident_encode(uint8_t into[IDENT_SIZE])
{
	memcpy(into, "SMOO", 4);
	put16(into + 4, 0);
	put16(into + 6, 1);
}

void status_encode(uint8_t into[STATUS_SIZE], uint32_t exports, uint64_t session_id)
{
	put16(into, 0);
	put16(into + 2, exports ? STATUS_ACTIVE : 0);
	put32(into + 4, exports);
	put64(into + 8, session_id);
}

void request_encode(uint8_t into[MESSAGE_SIZE], const struct message *request)
{
	memset(into, 0, MESSAGE_SIZE);
	into[0] = request->opcode;
	put32(into + 4, request->request_id);
	put32(into + 8, request->export_id);
	put64(into + 12, request->lba);
	put32(into + 20, request->num_blocks);
}

void response_decode(const uint8_t from[MESSAGE_SIZE], struct message *response)
{
	response->opcode = from[0];
	response->status = from[1];
	response->request_id = get32(from + 4);
	response->export_id = get32(from + 8);
	response->lba = get64(from + 12);
	response->num_blocks = get32(from + 20);
}
