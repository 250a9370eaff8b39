/* Requests, Responses and the link: what is sent, sent again, done. */
#include <errno.h>
#include <string.h>

#include "gadget/link.h"
#include "gadget/request.h"
#include "gadget_test.h"

static struct request make(uint8_t opcode, uint32_t blocks)
{
	struct request request = { .block_size = 4096, .bytes = blocks * 4096,
				   .state = REQUEST_SENT };

	request.message.opcode = opcode;
	request.message.num_blocks = blocks;
	return request;
}

static struct message answer(const struct request *request, uint8_t status)
{
	struct message response = request->message;

	response.status = status;
	return response;
}

TEST(read_ok, "request_answered() wants the payload of a good read")
{
	struct request request = make(OP_READ, 3);
	struct message response = answer(&request, 0);

	SAME(request_answered(&request, &response), RESPONSE_PAYLOAD);
	SAME(request.payload, 3 * 4096);
	SAME(request.result, 3 * 4096);
	SAME(request.state, REQUEST_PAYLOAD);
	/* a second one would bring bytes that nobody wants */
	SAME(request_answered(&request, &response), RESPONSE_FAULT);
}

TEST(read_short, "request_answered() takes a shorter read, fails an empty one, faults on a longer one")
{
	struct request request = make(OP_READ, 3);
	struct message response = answer(&request, 0);

	response.num_blocks = 2;
	SAME(request_answered(&request, &response), RESPONSE_PAYLOAD);
	SAME(request.result, 2 * 4096);
	request = make(OP_READ, 3);
	response.num_blocks = 0;
	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, -EIO);
	request = make(OP_READ, 3);
	response.num_blocks = 4;
	SAME(request_answered(&request, &response), RESPONSE_FAULT);
	/* 2^32 bytes are not 0 bytes */
	response.num_blocks = 1 << 20;
	SAME(request_answered(&request, &response), RESPONSE_FAULT);
}

TEST(statuses, "request_answered() gives the status as an errno, without a payload")
{
	struct request request = make(OP_READ, 1);
	struct message response = answer(&request, 5);

	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, -EIO);
	request = make(OP_WRITE, 1);
	response = answer(&request, 95);
	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, -EOPNOTSUPP);
}

TEST(writes, "request_answered() counts what was written, at most what was asked")
{
	struct request request = make(OP_WRITE, 2);
	struct message response = answer(&request, 0);

	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, 2 * 4096);
	request = make(OP_WRITE, 2);
	response.num_blocks = 9;
	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, 2 * 4096);
	SAME(request_answered(&request, &response), RESPONSE_DROPPED);
	request = make(OP_FLUSH, 0);
	response = answer(&request, 0);
	SAME(request_answered(&request, &response), RESPONSE_DONE);
	SAME(request.result, 0);
}

TEST(unknown, "request_answered() drops what answers nothing, and faults when bytes follow it")
{
	struct request request = make(OP_READ, 1);
	struct message good = answer(&request, 0), bad = answer(&request, 5);

	SAME(request_answered(NULL, &bad), RESPONSE_DROPPED);
	SAME(request_answered(NULL, &good), RESPONSE_FAULT);
	request.state = REQUEST_WAITING;
	SAME(request_answered(&request, &bad), RESPONSE_DROPPED);
	request.state = REQUEST_IDLE;
	SAME(request_answered(&request, &good), RESPONSE_FAULT);
}

TEST(mismatch, "request_answered() faults on another opcode, known or not")
{
	struct request request = make(OP_READ, 1);
	struct message response = answer(&request, 0);

	response.opcode = OP_WRITE;
	SAME(request_answered(&request, &response), RESPONSE_FAULT);
	response.opcode = 77;
	SAME(request_answered(&request, &response), RESPONSE_FAULT);
	SAME(request.state, REQUEST_SENT);
}

/* Is every request in the list once, in the order of `lba`, the sent ones first? */
static void check_list(const struct outstanding *all, unsigned count)
{
	const struct request *previous = NULL;
	bool unsent = false;

	for (const struct request *r = all->first; r; previous = r, r = r->next) {
		CHECK(r->previous == previous);
		CHECK(!previous || previous->message.lba < r->message.lba);
		if (r == all->unsent)
			unsent = true;
		SAME(r->state == REQUEST_WAITING, unsent);
		count--;
	}
	CHECK(all->last == previous);
	CHECK(unsent == (all->unsent != NULL));
	SAME(count, 0);
}

TEST(none_lost, "requests: none is lost or done twice over 20,000 sends, answers and losses of the link")
{
	enum { TAGS = 16 };
	struct request requests[TAGS];
	struct outstanding all = { 0 };
	unsigned done[TAGS] = { 0 }, asked[TAGS] = { 0 }, count = 0;
	uint64_t order = 0;

	memset(requests, 0, sizeof(requests));
	for (unsigned step = 0; step < 20000; step++) {
		unsigned tag = gadget_test_random(TAGS), what = gadget_test_random(20);
		struct request *request = &requests[tag];
		struct message response;

		if (what < 8 && request->state == REQUEST_IDLE) {
			*request = make(OP_READ, 1);
			request->message.lba = order++;
			outstanding_add(&all, request);
			asked[tag]++;
			count++;
		} else if (what < 14 && all.unsent) {
			outstanding_sent(&all);
		} else if (what < 19) {
			enum verdict verdict;

			if (request->state != REQUEST_SENT && gadget_test_random(50))
				continue; /* few that nobody asked for */
			response = answer(request, what == 18 ? 5 : 0);
			response.opcode = OP_READ;
			response.num_blocks = 1;
			verdict = request_answered(request, &response);
			if (verdict == RESPONSE_PAYLOAD || verdict == RESPONSE_DONE) {
				outstanding_remove(&all, request);
				done[tag]++;
				count--;
			} else if (verdict == RESPONSE_FAULT) {
				outstanding_replay(&all);
			}
		} else {
			outstanding_replay(&all);
		}
		check_list(&all, count);
	}
	for (unsigned i = 0; i < TAGS; i++) {
		CHECK(asked[i] > 100);
		SAME(asked[i], done[i] + (requests[i].state != REQUEST_IDLE));
	}
}

TEST(link_online, "link: online from STATUS on, for 3 seconds after the last sign of life")
{
	struct mail mail = { 0 };
	struct link link = { 0 };

	link_take(&link, &mail);
	SAME(link_state(&link, 0), LINK_OFFLINE);
	mail_note(&mail, LINK_ENABLE, 10);
	CHECK(link_take(&link, &mail));
	SAME(link_state(&link, 10), LINK_READY);
	SAME(link_wait_ms(&link, 10), -1);
	mail_note(&mail, LINK_IDENT, 20);
	CHECK(link_take(&link, &mail));
	SAME(link_state(&link, 20), LINK_READY);
	mail_note(&mail, LINK_STATUS, 30);
	CHECK(!link_take(&link, &mail));
	SAME(link_state(&link, 30), LINK_ONLINE);
	SAME(link_wait_ms(&link, 30), 3000);
	SAME(link_state(&link, 3029), LINK_ONLINE);
	SAME(link_state(&link, 3030), LINK_READY);
	link_heard(&link, 3000);
	SAME(link_state(&link, 5999), LINK_ONLINE);
	SAME(link_state(&link, 6000), LINK_READY);
	/* another mail does not take back what a Response has told */
	link_heard(&link, 7000);
	mail_note(&mail, LINK_RESUME, 7001);
	link_take(&link, &mail);
	SAME(link_state(&link, 7002), LINK_ONLINE);
}

TEST(link_resets, "link: each ENABLE, DISABLE and IDENT is a reset, even when they come together")
{
	struct mail mail = { 0 };
	struct link link = { 0 };

	mail_note(&mail, LINK_ENABLE, 0);
	mail_note(&mail, LINK_STATUS, 1);
	link_take(&link, &mail);
	SAME(link_state(&link, 1), LINK_ONLINE);
	/* SET_INTERFACE: ENABLE without a DISABLE */
	mail_note(&mail, LINK_ENABLE, 2);
	CHECK(link_take(&link, &mail));
	SAME(link_state(&link, 2), LINK_READY);
	/* unplugged and plugged in before anybody looked */
	mail_note(&mail, LINK_STATUS, 3);
	mail_note(&mail, LINK_DISABLE, 4);
	mail_note(&mail, LINK_ENABLE, 5);
	CHECK(link_take(&link, &mail));
	SAME(link_state(&link, 5), LINK_READY);
	CHECK(!link_take(&link, &mail));
	mail_note(&mail, LINK_DISABLE, 6);
	CHECK(link_take(&link, &mail));
	SAME(link_state(&link, 6), LINK_OFFLINE);
}

TEST(link_suspend, "link: after a suspension requests wait for STATUS, without a reset")
{
	struct mail mail = { 0 };
	struct link link = { 0 };

	mail_note(&mail, LINK_ENABLE, 0);
	mail_note(&mail, LINK_STATUS, 1);
	link_take(&link, &mail);
	mail_note(&mail, LINK_SUSPEND, 2);
	CHECK(!link_take(&link, &mail));
	SAME(link_state(&link, 2), LINK_READY);
	mail_note(&mail, LINK_RESUME, 3);
	CHECK(!link_take(&link, &mail));
	SAME(link_state(&link, 3), LINK_READY);
	mail_note(&mail, LINK_STATUS, 4);
	CHECK(!link_take(&link, &mail));
	SAME(link_state(&link, 4), LINK_ONLINE);
}

TEST(link_broken, "link: after a fault STATUS is not enough, the next reset is")
{
	struct mail mail = { 0 };
	struct link link = { 0 };

	mail_note(&mail, LINK_ENABLE, 0);
	mail_note(&mail, LINK_STATUS, 1);
	link_take(&link, &mail);
	link.broken = true;
	mail_note(&mail, LINK_STATUS, 2);
	link_take(&link, &mail);
	SAME(link_state(&link, 2), LINK_OFFLINE);
	mail_note(&mail, LINK_IDENT, 3);
	mail_note(&mail, LINK_STATUS, 4);
	link_take(&link, &mail);
	SAME(link_state(&link, 4), LINK_ONLINE);
}
