/*
 * What stage0 is measured beside: a first process whose gadget only reads its bulk OUT endpoint, with
 * as many transfers queued as the kernel takes, and forgets what came. Modules, identity and
 * descriptors are stage0's own, so the host finds the same interface; control requests stall.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failure.h"
#include "files.h"
#include "gadget/descriptors.h"
#include "log.h"
#include "modules.h"
#include "settings.h"
#include "sys.h"
#include "text.h"
#include "usb_gadget.h"

enum {
	DEPTH = 4,
	TRANSFER = 1 << 20, /* bytes: what the host sends at once */
};

static struct settings settings;
static int files[1 + ENDPOINTS];

static int mount_on(const char *type, const char *folder)
{
	int result = make_folder(folder, 0755);

	return result < 0 ? result : sys_mount(type, folder, type, 0, NULL);
}

static int open_function(void)
{
	uint8_t descriptors[DESCRIPTORS_SIZE], strings[STRINGS_SIZE];
	char path[32];

	for (int i = 0; i <= ENDPOINTS; i++) {
		text_format(path, sizeof(path), FUNCTIONFS "/ep%d", i);
		files[i] = sys_open(path, O_RDWR, 0);
		if (files[i] < 0)
			return files[i];
		if (i > 0)
			continue;
		descriptors_encode(descriptors, settings.mimic_fastboot);
		strings_encode(strings);
		if (sys_write(files[0], descriptors, sizeof(descriptors)) < 0 ||
		    sys_write(files[0], strings, sizeof(strings)) < 0)
			return -EIO;
	}
	return 0;
}

static int bind_controller(void)
{
	char name[UDC_SIZE];
	int result;

	while ((result = usb_gadget_find_controller(name)) == -EAGAIN)
		sys_sleep_ms(10);
	return result < 0 ? result : usb_gadget_bind(name);
}

/* Transfers that end are begun again; those that fail, while nobody is plugged in, a little later. */
static int sink(void)
{
	static struct iocb blocks[DEPTH];
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, DEPTH, &context) < 0)
		return -errno;
	for (int i = 0; i < DEPTH; i++) {
		struct iocb *block = &blocks[i];

		block->aio_data = (uintptr_t)block;
		block->aio_lio_opcode = IOCB_CMD_PREAD;
		block->aio_fildes = (uint32_t)files[1 + BULK_OUT];
		block->aio_buf = (uintptr_t)malloc(TRANSFER);
		block->aio_nbytes = TRANSFER;
		if (!block->aio_buf || syscall(SYS_io_submit, context, 1L, &block) < 0)
			return -ENOMEM;
	}
	for (;;) {
		struct io_event event;
		struct iocb *block;

		if (syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) < 0)
			return -errno;
		block = (void *)(uintptr_t)event.data;
		if (event.res < 0)
			sys_sleep_ms(20);
		if (syscall(SYS_io_submit, context, 1L, &block) < 0)
			return -errno;
	}
}

int main(void)
{
	step("mount proc", mount_on("proc", "/proc"));
	step("mount sysfs", mount_on("sysfs", "/sys"));
	step("mount devtmpfs", mount_on("devtmpfs", "/dev"));
	step("open the kernel's log", log_open());
	settings_default(&settings);
	step("read the settings", settings_read(&settings, "/etc/stage0"));
	step("load modules", modules_load());
	step("make the USB gadget", usb_gadget_create(&settings));
	step("mount functionfs", usb_gadget_mount_functionfs());
	step("open functionfs", open_function());
	step("bind the USB controller", bind_controller());
	log_line(LOG_INFO, "sink: ready");
	fail("read", sink());
}
