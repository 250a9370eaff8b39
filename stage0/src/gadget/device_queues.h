/* What the two files of devices share. */
#ifndef GADGET_DEVICE_QUEUES_H
#define GADGET_DEVICE_QUEUES_H

#include "device.h"

/* `data` of a completion. */
uint64_t device_ring_data(const struct devices *all, enum ring_kind kind,
			  const struct device *device, unsigned queue, unsigned tag);

/* Opens /dev/ublkcN, maps it and hands every tag to the kernel. */
int device_open_queues(struct devices *all, struct device *device);

/* Undoes that; every tag must be back. */
void device_close_queues(struct devices *all, struct device *device);

#endif
