/*
 * The kernel's interface to ublk_drv, as far as we use it, and what its descriptors mean. Pure.
 *
 * Declared here, since headers of older kernels lack the ioctl-encoded commands, and newer kernels
 * may be built without the raw ones. See Documentation/block/ublk.rst of Linux.
 */
#ifndef GADGET_UBLK_H
#define GADGET_UBLK_H

#include <linux/ioctl.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* What a control command carries: 32 bytes. */
struct ublk_control {
	uint32_t dev_id;
	uint16_t queue_id; /* 0xffff: none */
	uint16_t len;	   /* bytes at `addr` */
	uint64_t addr;
	uint64_t data;
	uint16_t dev_path_len;
	uint16_t pad;
	uint32_t reserved;
};

/* 64 bytes */
struct ublk_info {
	uint16_t nr_hw_queues;
	uint16_t queue_depth;
	uint16_t state;
	uint16_t pad0;
	uint32_t max_io_buf_bytes;
	uint32_t dev_id;
	int32_t ublksrv_pid;
	uint32_t pad1;
	uint64_t flags;
	uint64_t ublksrv_flags;
	uint32_t owner_uid;
	uint32_t owner_gid;
	uint64_t reserved[2];
};

/* The head of the kernel's structure and its basic part, which is all that we set: 40 bytes. */
struct ublk_parameters {
	uint32_t len;
	uint32_t types;
	uint32_t attrs;
	uint8_t logical_bs_shift;
	uint8_t physical_bs_shift;
	uint8_t io_opt_shift;
	uint8_t io_min_shift;
	uint32_t max_sectors;
	uint32_t chunk_sectors;
	uint64_t dev_sectors;
	uint64_t virt_boundary_mask;
};

/* A request of the block layer, 24 bytes, mapped from the driver. */
struct ublk_io_desc {
	uint32_t op_flags;
	uint32_t nr_sectors;
	uint64_t start_sector;
	uint64_t addr;
};

/* What FETCH and COMMIT_AND_FETCH carry: 16 bytes. */
struct ublk_io_command {
	uint16_t q_id;
	uint16_t tag;
	int32_t result;
	uint64_t addr;
};

#define UBLK_ADD_DEV _IOWR('u', 0x04, struct ublk_control)
#define UBLK_DEL_DEV _IOWR('u', 0x05, struct ublk_control)
#define UBLK_START_DEV _IOWR('u', 0x06, struct ublk_control)
#define UBLK_STOP_DEV _IOWR('u', 0x07, struct ublk_control)
#define UBLK_SET_PARAMS _IOWR('u', 0x08, struct ublk_control)
#define UBLK_START_RECOVERY _IOWR('u', 0x10, struct ublk_control)
#define UBLK_END_RECOVERY _IOWR('u', 0x11, struct ublk_control)
#define UBLK_FETCH _IOWR('u', 0x20, struct ublk_io_command)
#define UBLK_COMMIT_AND_FETCH _IOWR('u', 0x21, struct ublk_io_command)

enum {
	UBLK_USER_RECOVERY = 1 << 3,
	UBLK_USER_RECOVERY_REISSUE = 1 << 4, /* the next server gets what the last one had */
	UBLK_PARAM_BASIC = 1,
	UBLK_ATTR_READ_ONLY = 1,
	UBLK_MAX_QUEUE_DEPTH = 4096,
	SECTOR = 512,
};

/* @return Bytes from the start of the mapping of the driver to the descriptors of a queue. */
uint64_t ublk_descriptors_offset(unsigned queue, size_t page_size);

void ublk_parameters_fill(struct ublk_parameters *into, const struct export_record *record,
			  uint32_t max_io_bytes);

/*
 * The Request that a descriptor asks for, without its ids.
 *
 * @param bytes Set to the bytes that are to be moved: 0 for flush and discard.
 * @return 1; 0 when there is nothing to do; or a negative errno for the block layer.
 */
int ublk_request(const struct ublk_io_desc *desc, uint32_t block_size, uint32_t max_io_bytes,
		 struct message *into, uint32_t *bytes);

#endif
