/*
 * Is there a host that answers? Pure: events and times in, a state out.
 *
 * The thread of ep0 gathers what happens in a `struct mail`; the main loop takes it from there.
 */
#ifndef GADGET_LINK_H
#define GADGET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LIVENESS_MS 3000u

enum link_event {
	LINK_ENABLE,  /* a configuration or an alternate setting was chosen: all transfers ended */
	LINK_DISABLE, /* unplugged, reset or unbound */
	LINK_SUSPEND,
	LINK_RESUME,
	LINK_IDENT,  /* a session of a host begins */
	LINK_STATUS, /* the host lives and wants Requests */
};

/* All that happened, gathered; counters only grow. */
struct mail {
	uint32_t resets; /* after each, transfers and what was sent before are void */
	uint32_t idents;
	bool enabled;
	bool alive; /* STATUS was seen after the last reset, and no suspension since */
	uint64_t alive_ms;
};

enum link_state {
	LINK_OFFLINE, /* not plugged in, or transfers failed and the host has to begin again */
	LINK_READY,   /* nothing is heard of a host */
	LINK_ONLINE,  /* Requests may be sent */
};

struct link {
	struct mail mail; /* as last taken */
	bool broken;	  /* no transfers until the next reset */
};

void mail_note(struct mail *mail, enum link_event event, uint64_t now_ms);

/* @return Whether transfers have to be reset and all Requests sent again. */
bool link_take(struct link *link, const struct mail *mail);

/* A Response came. */
void link_heard(struct link *link, uint64_t now_ms);

enum link_state link_state(const struct link *link, uint64_t now_ms);

/* Milliseconds until the state changes by itself; -1 when it does not. */
int link_wait_ms(const struct link *link, uint64_t now_ms);

#endif
