/*
 * Messages of smoo, version 0. Pure: bytes in, values out.
 *
 * See docs/PROTOCOL.md, which has the layouts as tables.
 */
#ifndef GADGET_PROTOCOL_H
#define GADGET_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MAX_EXPORTS = 32,
	IDENT_SIZE = 8,
	STATUS_SIZE = 16,
	MESSAGE_SIZE = 28, /* of a Request and of a Response */
	CONFIG_HEAD_SIZE = 8,
	CONFIG_RECORD_SIZE = 24,
	CONFIG_MAX_SIZE = CONFIG_HEAD_SIZE + MAX_EXPORTS * CONFIG_RECORD_SIZE,
	LOG_HEAD_SIZE = 32,
	MIN_BLOCK_SIZE = 512,
	MAX_BLOCK_SIZE = 65536,
};

/* What a control request asks for. */
enum control {
	CONTROL_UNKNOWN,
	CONTROL_IDENT,
	CONTROL_CONFIG_EXPORTS,
	CONTROL_STATUS,
	CONTROL_LOG,
};

enum opcode { OP_READ, OP_WRITE, OP_FLUSH, OP_DISCARD, OP_COUNT };

enum { EXPORT_READ_ONLY = 1 }; /* in the flags of an export */

/* One export of CONFIG_EXPORTS. */
struct export_record {
	uint32_t id;
	uint32_t block_size; /* bytes, a power of two */
	uint64_t size;	     /* bytes, whole blocks */
	uint64_t flags;	     /* unknown bits are kept and mean nothing */
};

struct export_list {
	uint32_t count;
	struct export_record exports[MAX_EXPORTS];
};

/* A Request and a Response: all fields but `status`, which a Request has no use for. */
struct message {
	uint8_t opcode;
	uint8_t status; /* 0 or a Linux errno */
	uint32_t request_id;
	uint32_t export_id;
	uint64_t lba; /* blocks of the export */
	uint32_t num_blocks;
};

/* By bmRequestType and bRequest; wValue and wIndex do not count. */
enum control control_kind(uint8_t request_type, uint8_t request);

/* Can CONFIG_EXPORTS be this long? */
bool config_length_is_valid(size_t length);

/*
 * Reads CONFIG_EXPORTS; `into` is undefined when it fails.
 *
 * @param index Set to the export that is wrong, or to -1 when it is the head.
 * @return NULL, or what is wrong with it in a few words.
 */
const char *config_decode(const uint8_t *bytes, size_t length, struct export_list *into,
			  int *index);

void ident_encode(uint8_t into[IDENT_SIZE]);
void status_encode(uint8_t into[STATUS_SIZE], uint32_t exports, uint64_t session_id);
void request_encode(uint8_t into[MESSAGE_SIZE], const struct message *request);
void response_decode(const uint8_t from[MESSAGE_SIZE], struct message *response);

#endif
