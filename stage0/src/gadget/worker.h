/* The process that serves, in two parts: the loop with its transfers, and the exports. */
#ifndef GADGET_WORKER_H
#define GADGET_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "plane.h"
#include "shared.h"

struct worker {
	const struct files *files;
	struct shared *shared;
	struct ring ring;
	struct plane plane;
	struct outstanding outstanding;
	struct devices devices;
	struct mailbox mailbox;
	struct link link;
	enum link_state said; /* the state that was logged last */
	uint64_t mail_count, plane_count; /* what reads of the eventfds fill */
	bool transfers_ended;
	bool devices_changed;
	bool listed; /* exports.json is up to date */
	bool verbose;
};

/* Host and gadget have lost step on the bulk endpoints: nothing more until the host begins anew. */
void worker_lose_step(struct worker *w);

/* A message to PID 1, which is gone after the handoff. */
void worker_tell(struct worker *w, const struct gadget_news *news);

/* The host offers these exports instead of those before. */
void worker_take_config(struct worker *w, const struct export_list *list);

/* Makes the block devices those that are wanted; called until nothing is left to do. */
void worker_reconcile(struct worker *w);

/* A block device is in another state. */
void worker_device_changed(struct worker *w, const struct device *device);

/* Writes exports.json. */
void worker_write_list(struct worker *w);

#endif
