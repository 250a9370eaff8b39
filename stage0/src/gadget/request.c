#include "request.h"

#include <errno.h>
#include <stddef.h>

void outstanding_add(struct outstanding *all, struct request *request)
{
	request->state = REQUEST_WAITING;
	request->next = NULL;
	request->previous = all->last;
	if (all->last)
		all->last->next = request;
	else
		all->first = request;
	all->last = request;
	if (!all->unsent)
		all->unsent = request;
}

void outstanding_remove(struct outstanding *all, struct request *request)
{
	if (all->unsent == request)
		all->unsent = request->next;
	if (request->previous)
		request->previous->next = request->next;
	else
		all->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	else
		all->last = request->previous;
	request->state = REQUEST_IDLE;
}

void outstanding_sent(struct outstanding *all)
{
	all->unsent->state = REQUEST_SENT;
	all->unsent = all->unsent->next;
}

void outstanding_replay(struct outstanding *all)
{
	for (struct request *request = all->first; request; request = request->next) {
		request->state = REQUEST_WAITING;
		request->answered = false;
	}
	all->unsent = all->first;
}

/* Result of a read or write of which the host did `done` bytes: 0 would be asked for for ever. */
static int done_bytes(const struct request *request, uint64_t done)
{
	if (done > request->bytes)
		done = request->bytes;
	return done ? (int)done : -EIO;
}

enum verdict request_answered(struct request *request, const struct message *response)
{
	bool brings = response->opcode == OP_READ && !response->status && response->num_blocks;
	uint64_t bytes;

	if (!request || request->state != REQUEST_SENT || request->answered)
		return brings ? RESPONSE_FAULT : RESPONSE_DROPPED;
	if (response->opcode != request->message.opcode)
		return RESPONSE_FAULT;
	bytes = (uint64_t)response->num_blocks * request->block_size;
	if (brings && bytes > request->bytes)
		return RESPONSE_FAULT;
	if (brings) {
		request->payload = (uint32_t)bytes;
		request->queued = 0;
		request->moved = 0;
		request->result = (int)bytes;
		request->state = REQUEST_PAYLOAD;
		return RESPONSE_PAYLOAD;
	}
	if (response->status)
		request->result = -response->status;
	else if (response->opcode == OP_READ || response->opcode == OP_WRITE)
		request->result = done_bytes(request, bytes);
	else
		request->result = 0;
	request->answered = true;
	return RESPONSE_DONE;
}
