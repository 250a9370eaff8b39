/* The process that serves: one loop over one io_uring, driven by completions. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "worker.h"

enum { DRAIN_MS = 2 }; /* between looks for the end of transfers that were taken back */

static struct worker worker;

static uint64_t now_ms(void)
{
	return sys_now_ns() / 1000000;
}

static uint64_t new_session(void)
{
	uint64_t id = 0;

	sys_getrandom(&id, sizeof(id));
	return id ? id : 1;
}

/* -- Transfers -- */

/* Nothing more until the next reset: what was sent is sent again then. */
static void drop_transfers(struct worker *w)
{
	plane_reset(&w->plane);
	outstanding_replay(&w->outstanding);
	w->link.broken = true;
}

/*
 * Host and gadget may disagree on what comes next on the bulk endpoints. The host learns it from a
 * new session id, begins anew with IDENT, and with that both do.
 */
void worker_lose_step(struct worker *w)
{
	drop_transfers(w);
	pthread_mutex_lock(&w->mailbox.lock);
	w->mailbox.session_id = new_session();
	pthread_mutex_unlock(&w->mailbox.lock);
	w->listed = false;
}

static void handle_fault(struct worker *w, enum endpoint endpoint, int error)
{
	static const char *const names[] = { "interrupt IN", "interrupt OUT", "bulk IN",
					     "bulk OUT" };

	/* The cable or the host: an event of ep0 follows, or has come already. */
	if (error == -ESHUTDOWN || error == -ENODEV || error == -EAGAIN) {
		drop_transfers(w);
		return;
	}
	if (error == -ENOMEM && plane_shrink(&w->plane))
		log_line(LOG_WARNING, "the kernel has no memory for transfers: now %u bytes each",
			 w->plane.chunk);
	else
		log_line(LOG_ERROR, "a transfer on %s failed: %e; the host has to begin anew",
			 names[endpoint], error);
	worker_lose_step(w);
}

/* A Write is done when it is answered and its bytes are gone, in either order. */
static void finish(struct worker *w, struct request *request)
{
	if (request->message.opcode == OP_WRITE && request->moved != request->payload)
		return;
	device_complete(&w->devices, request, request->result);
}

static void handle_response(struct worker *w, const uint8_t *bytes, uint32_t length)
{
	struct message response;
	struct request *request;

	if (length != MESSAGE_SIZE) {
		log_line(LOG_WARNING, "dropped a message of %u bytes on interrupt OUT", length);
		return;
	}
	response_decode(bytes, &response);
	request = devices_find(&w->devices, response.export_id, response.request_id);
	switch (request_answered(request, &response)) {
	case RESPONSE_DROPPED:
		log_line(LOG_WARNING, "dropped a response to unknown request %x of export %08x",
			 response.request_id, response.export_id);
		return;
	case RESPONSE_DONE:
		link_heard(&w->link, now_ms());
		finish(w, request);
		return;
	case RESPONSE_PAYLOAD:
		link_heard(&w->link, now_ms());
		plane_queue(&w->plane, BULK_OUT, request);
		return;
	case RESPONSE_FAULT:
		log_line(LOG_ERROR,
			 "a response to request %x of export %08x does not fit what was asked; "
			 "the host has to begin anew",
			 response.request_id, response.export_id);
		worker_lose_step(w);
		return;
	}
}

static void handle_transfers(struct worker *w)
{
	struct plane_event event;

	for (;;) {
		plane_next(&w->plane, &event);
		switch (event.what) {
		case PLANE_NOTHING:
			return;
		case PLANE_RESPONSE:
			handle_response(w, event.message, event.length);
			break;
		case PLANE_PAYLOAD:
			if (event.request->state == REQUEST_PAYLOAD || event.request->answered)
				finish(w, event.request);
			break;
		case PLANE_FAULT:
			handle_fault(w, event.endpoint, event.error);
			break;
		}
	}
}

/* -- The link -- */

static void take_mail(struct worker *w)
{
	static struct export_list config;
	uint32_t idents = w->link.mail.idents;
	bool has_config;
	struct mail mail;

	pthread_mutex_lock(&w->mailbox.lock);
	mail = w->mailbox.mail;
	has_config = w->mailbox.has_config;
	w->mailbox.has_config = false;
	if (has_config)
		config = w->mailbox.config;
	pthread_mutex_unlock(&w->mailbox.lock);
	if (link_take(&w->link, &mail)) {
		plane_reset(&w->plane);
		outstanding_replay(&w->outstanding);
	}
	w->transfers_ended = true; /* a look every second, for those that give no signal */
	if (mail.idents != idents) {
		struct gadget_news news = { .what = GADGET_HOST };

		worker_tell(w, &news);
	}
	if (has_config)
		worker_take_config(w, &config);
}

/* IDENT is answered when nothing of an earlier session is left. */
static void acknowledge(struct worker *w)
{
	if (!plane_is_clean(&w->plane) || w->mailbox.acked == w->link.mail.idents)
		return;
	__atomic_store_n(&w->mailbox.acked, w->link.mail.idents, __ATOMIC_RELEASE);
	kernel_wake(&w->mailbox.acked);
}

static void log_state(struct worker *w, enum link_state state)
{
	static const char *const texts[] = { "no host is connected", "waiting for the host",
					     "the host is there" };

	if (state == w->said)
		return;
	w->said = state;
	if (w->verbose || state == LINK_ONLINE)
		log_line(LOG_INFO, "%s", texts[state]);
}

/* -- The loop -- */

static int shorter(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void handle_completions(struct worker *w)
{
	struct ring_event event;

	while (ring_next(&w->ring, &event)) {
		const struct device *changed;

		switch (RING_KIND(event.data)) {
		case RING_MAIL:
			take_mail(w);
			ring_read(&w->ring, w->mailbox.event_fd, &w->mail_count, 8, event.data);
			break;
		case RING_PLANE:
			w->transfers_ended = true;
			ring_read(&w->ring, w->plane.event_fd, &w->plane_count, 8, event.data);
			break;
		default:
			changed = devices_completed(&w->devices, event.data, event.result,
						    now_ms());
			if (changed)
				worker_device_changed(w, changed);
			break;
		}
	}
}

static void submit(struct worker *w)
{
	enum link_state state = link_state(&w->link, now_ms());
	int error;

	log_state(w, state);
	if (state == LINK_OFFLINE)
		return;
	error = plane_submit(&w->plane, &w->outstanding, state == LINK_ONLINE);
	if (error < 0)
		handle_fault(w, BULK_OUT, error);
}

static void turn(struct worker *w)
{
	int wait;

	if (w->devices_changed)
		worker_reconcile(w);
	devices_retry(&w->devices, now_ms());
	if (!w->listed)
		worker_write_list(w);
	acknowledge(w);
	submit(w);
	wait = shorter(link_wait_ms(&w->link, now_ms()), devices_wait_ms(&w->devices, now_ms()));
	if (!plane_is_clean(&w->plane)) {
		wait = shorter(wait, DRAIN_MS);
		w->transfers_ended = true;
	}
	ring_wait(&w->ring, wait);
	handle_completions(w);
	if (w->transfers_ended) {
		w->transfers_ended = false;
		handle_transfers(w);
	}
}

static void fatal(const char *what, int error)
{
	log_line(LOG_ERROR, "cannot %s: %e (%s)", what, error, errno_meaning(error));
	sys_exit(1);
}

static void prepare(struct worker *w, const struct gadget_options *options)
{
	int error;

	w->verbose = options->verbose;
	w->said = LINK_OFFLINE;
	w->devices.ring = &w->ring;
	w->devices.folder = w->files->dev;
	w->devices.control_fd = w->files->control;
	w->devices.queue_count = options->queue_count;
	w->devices.queue_depth = options->queue_depth;
	w->devices.max_io_bytes = options->max_io_bytes;
	w->devices.outstanding = &w->outstanding;
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		w->devices.list[i].memory = &w->shared->devices[i];
		w->devices.list[i].fd = -1;
	}
	error = ring_open(&w->ring);
	if (error < 0)
		fatal("set up io_uring", error);
	error = plane_open(&w->plane, w->files->endpoints);
	if (error < 0)
		fatal("set up asynchronous I/O", error);
	pthread_mutex_init(&w->mailbox.lock, NULL);
	w->mailbox.session_id = new_session();
	w->mailbox.exports = w->shared->wanted.count;
	w->mailbox.mail.enabled = w->shared->enabled;
	w->mailbox.event_fd = sys_eventfd(0);
	if (w->mailbox.event_fd < 0)
		fatal("make an eventfd", w->mailbox.event_fd);
}

void worker_run(const struct gadget_options *options, const struct files *files,
		struct shared *shared)
{
	static struct ep0 ep0;
	struct worker *w = &worker;
	int error;

	w->files = files;
	w->shared = shared;
	prepare(w, options);
	/* What an earlier process had under way is lost, so the host has to begin anew. */
	w->link.mail = w->mailbox.mail;
	w->link.broken = w->link.mail.enabled;
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		if (shared->devices[i].used)
			device_adopt(&w->devices, &w->devices.list[i]);
	}
	w->devices_changed = true;
	ring_read(&w->ring, w->mailbox.event_fd, &w->mail_count, 8, (uint64_t)RING_MAIL << 56);
	ring_read(&w->ring, w->plane.event_fd, &w->plane_count, 8, (uint64_t)RING_PLANE << 56);
	/* Not its pages to come: buffers have far more than are ever touched. */
	error = sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	if (error < 0)
		log_line(LOG_WARNING, "cannot keep the gadget in memory: %e", error);
	ep0.files = files;
	ep0.shared = shared;
	ep0.mailbox = &w->mailbox;
	error = kernel_start_thread(ep0_run, &ep0);
	if (error < 0)
		fatal("start a thread", error);
	for (;;)
		turn(w);
}
