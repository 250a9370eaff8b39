/* A stream of Responses, and the link between them: the list of requests stays whole. */
#include <stdlib.h>
#include <string.h>

#include "gadget/request.h"

enum { TAGS = 8, MOST = 1 << 20 };

static void check(const struct outstanding *all, const struct request *requests)
{
	const struct request *previous = NULL;
	unsigned listed = 0, busy = 0;
	int unsent = 0;

	for (const struct request *r = all->first; r; previous = r, r = r->next) {
		unsent = unsent || r == all->unsent;
		if (r->previous != previous || (r->state == REQUEST_WAITING) != unsent)
			abort();
		listed++;
	}
	for (unsigned i = 0; i < TAGS; i++)
		busy += requests[i].state != REQUEST_IDLE;
	if (listed != busy || all->last != previous || unsent != (all->unsent != NULL))
		abort();
}

static void answered(struct outstanding *all, struct request *request, const uint8_t *bytes)
{
	struct message response;

	response_decode(bytes, &response);
	switch (request_answered(request, &response)) {
	case RESPONSE_PAYLOAD:
		if (!request->payload || request->payload > request->bytes)
			abort();
		/* fall through */
	case RESPONSE_DONE:
		if (request->result > (int)request->bytes || request->result < -255)
			abort();
		outstanding_remove(all, request);
		break;
	case RESPONSE_FAULT:
		outstanding_replay(all);
		break;
	case RESPONSE_DROPPED:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request requests[TAGS];
	struct outstanding all = { 0 };

	memset(requests, 0, sizeof(requests));
	for (; size > MESSAGE_SIZE; data += MESSAGE_SIZE + 1, size -= MESSAGE_SIZE + 1) {
		struct request *request = &requests[data[0] % TAGS];

		switch (data[0] / TAGS % 4) {
		case 0:
			if (request->state != REQUEST_IDLE)
				break;
			memset(request, 0, sizeof(*request));
			request->message.opcode = data[1] % OP_COUNT;
			request->block_size = 512u << data[2] % 8;
			request->bytes = request->block_size * (1 + data[3] % 8);
			outstanding_add(&all, request);
			break;
		case 1:
			if (all.unsent)
				outstanding_sent(&all);
			break;
		case 2:
			answered(&all, data[0] & 0x80 ? NULL : request, data + 1);
			break;
		default:
			outstanding_replay(&all);
		}
		check(&all, requests);
	}
	return 0;
}
