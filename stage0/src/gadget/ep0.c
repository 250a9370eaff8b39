/* The control endpoint: a thread of its own, so that STATUS is answered whatever else goes on. */
#include <errno.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "log.h"
#include "shared.h"
#include "sys.h"

enum {
	IDLE_MS = 30000,      /* without a host the kernel's log is read this often */
	IDENT_WAIT_MS = 60,   /* hosts give a control request 100 ms and more */
	RECORD_SIZE = 8192,   /* the longest of /dev/kmsg */
	LINE_SIZE = 1024,
	TROUBLE_MS = 100,
};

static uint64_t now_ms(void)
{
	return sys_now_ns() / 1000000;
}

/* -- The log -- */

static void read_kmsg(const struct ep0 *ep0)
{
	static char record[RECORD_SIZE], line[LINE_SIZE];

	if (ep0->files->kmsg < 0)
		return;
	for (;;) {
		ssize_t length = sys_read(ep0->files->kmsg, record, sizeof(record));

		if (length == -EPIPE || length == -EINTR)
			continue; /* records were overwritten: the next is the oldest there is */
		if (length <= 0)
			return;
		log_ring_append(&ep0->shared->log, line,
				log_ring_line(record, (size_t)length, line, sizeof(line)));
	}
}

/* -- To the main loop -- */

static void tell(struct mailbox *mailbox)
{
	uint64_t one = 1;

	sys_write(mailbox->event_fd, &one, sizeof(one));
}

static uint32_t note(struct mailbox *mailbox, enum link_event event)
{
	uint32_t idents;

	pthread_mutex_lock(&mailbox->lock);
	mail_note(&mailbox->mail, event, now_ms());
	idents = mailbox->mail.idents;
	pthread_mutex_unlock(&mailbox->lock);
	tell(mailbox);
	return idents;
}

/* -- Requests -- */

static void stall(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	uint8_t unused = 0;

	/* A transfer in the wrong direction; the kernel answers -EL2HLT and stalls. */
	if (setup->bRequestType & USB_DIR_IN)
		sys_read(ep0->files->ep0, &unused, 1);
	else
		sys_write(ep0->files->ep0, &unused, 1);
}

static void answer(const struct ep0 *ep0, const struct usb_ctrlrequest *setup, const void *bytes,
		   size_t length)
{
	size_t wanted = setup->wLength;

	sys_write(ep0->files->ep0, bytes, length < wanted ? length : wanted);
}

static void answer_ident(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	struct mailbox *mailbox = ep0->mailbox;
	uint8_t reply[IDENT_SIZE];
	uint32_t idents;

	if (setup->wLength < IDENT_SIZE)
		return stall(ep0, setup);
	idents = note(mailbox, LINK_IDENT);
	/*
	 * What an earlier host left in flight has to be gone before this one reads: it would take
	 * Requests for its own that it is sent once more later.
	 */
	for (uint64_t end = now_ms() + IDENT_WAIT_MS; now_ms() < end;) {
		uint32_t acked = __atomic_load_n(&mailbox->acked, __ATOMIC_ACQUIRE);

		if (acked == idents)
			break;
		kernel_wait(&mailbox->acked, acked, IDENT_WAIT_MS);
	}
	ident_encode(reply);
	answer(ep0, setup, reply, sizeof(reply));
}

static void take_config(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	static struct export_list list;
	uint8_t bytes[CONFIG_MAX_SIZE];
	struct mailbox *mailbox = ep0->mailbox;
	const char *problem;
	ssize_t length;
	int index;

	/* The only time to refuse it: once its bytes are read, the host has its answer. */
	if (!config_length_is_valid(setup->wLength)) {
		log_line(LOG_ERROR, "refused a list of exports of %u bytes", setup->wLength);
		return stall(ep0, setup);
	}
	length = sys_read(ep0->files->ep0, bytes, setup->wLength);
	if (length < 0) {
		log_line(LOG_WARNING, "cannot read a list of exports: %e", (int)length);
		return;
	}
	problem = config_decode(bytes, (size_t)length, &list, &index);
	for (uint32_t i = 0; !problem && i < list.count; i++) {
		index = (int)i;
		if (list.exports[i].block_size > (uint32_t)sysconf(_SC_PAGESIZE))
			problem = "its block size is above the kernel's page size";
	}
	if (problem) {
		log_line(LOG_ERROR, "refused a list of exports: %s (export %d of the list)",
			 problem, index);
		return;
	}
	pthread_mutex_lock(&mailbox->lock);
	mailbox->has_config = true;
	mailbox->config = list;
	mailbox->exports = list.count;
	pthread_mutex_unlock(&mailbox->lock);
	tell(mailbox);
}

static void answer_status(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	struct mailbox *mailbox = ep0->mailbox;
	uint8_t reply[STATUS_SIZE];

	pthread_mutex_lock(&mailbox->lock);
	status_encode(reply, mailbox->exports, mailbox->session_id);
	pthread_mutex_unlock(&mailbox->lock);
	answer(ep0, setup, reply, sizeof(reply));
	note(mailbox, LINK_STATUS);
	read_kmsg(ep0);
}

static void answer_log(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	static uint8_t reply[LOG_HEAD_SIZE + LOG_RING_SIZE];
	size_t size = setup->wLength;

	if (size < LOG_HEAD_SIZE)
		return stall(ep0, setup);
	if (size > sizeof(reply))
		size = sizeof(reply);
	read_kmsg(ep0);
	size = log_ring_answer(&ep0->shared->log, setup->wValue, reply, size);
	answer(ep0, setup, reply, size);
}

static void handle_setup(const struct ep0 *ep0, const struct usb_ctrlrequest *setup)
{
	switch (control_kind(setup->bRequestType, setup->bRequest)) {
	case CONTROL_IDENT:
		return answer_ident(ep0, setup);
	case CONTROL_CONFIG_EXPORTS:
		return take_config(ep0, setup);
	case CONTROL_STATUS:
		return answer_status(ep0, setup);
	case CONTROL_LOG:
		return answer_log(ep0, setup);
	case CONTROL_UNKNOWN:
		return stall(ep0, setup);
	}
}

static void handle_event(const struct ep0 *ep0, const struct usb_functionfs_event *event)
{
	switch (event->type) {
	case FUNCTIONFS_ENABLE:
		ep0->shared->enabled = true;
		note(ep0->mailbox, LINK_ENABLE);
		break;
	case FUNCTIONFS_DISABLE:
	case FUNCTIONFS_UNBIND:
		ep0->shared->enabled = false;
		note(ep0->mailbox, LINK_DISABLE);
		break;
	case FUNCTIONFS_SUSPEND:
		note(ep0->mailbox, LINK_SUSPEND);
		break;
	case FUNCTIONFS_RESUME:
		note(ep0->mailbox, LINK_RESUME);
		break;
	case FUNCTIONFS_SETUP:
		handle_setup(ep0, &event->u.setup);
		break;
	default: /* BIND */
		break;
	}
}

void ep0_run(void *given)
{
	const struct ep0 *ep0 = given;

	for (;;) {
		struct pollfd wait = { .fd = ep0->files->ep0, .events = POLLIN };
		struct usb_functionfs_event event;
		ssize_t length;

		/* Never a read that waits: it would hold a lock that unbinding the gadget needs. */
		if (sys_poll(&wait, 1, IDLE_MS) == 0) {
			read_kmsg(ep0);
			continue;
		}
		length = sys_read(ep0->files->ep0, &event, sizeof(event));
		if (length == sizeof(event))
			handle_event(ep0, &event);
		else if (length != -EIDRM && length != -EINTR)
			sys_sleep_ms(TROUBLE_MS);
	}
}
