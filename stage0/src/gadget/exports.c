/* /run/smoo/exports.json: which export is which block device. */
#include <errno.h>
#include <fcntl.h>

#include "kernel.h"
#include "shared.h"
#include "sys.h"
#include "text.h"

enum { ENTRY_SIZE = 192, HEAD_SIZE = 96 };

static size_t format(char *into, size_t size, uint64_t session_id,
		     const struct device_memory *devices)
{
	size_t used = text_format(into, size, "{\"version\":0,\"session_id\":%lu,\"exports\":[",
				  (unsigned long)session_id);
	const char *separator = "";

	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		const struct device_memory *device = &devices[i];

		if (!device->used || !device->live)
			continue;
		used += text_format(into + used, size - used,
				    "%s{\"export_id\":%u,\"block_size\":%u,\"size_bytes\":%lu,"
				    "\"assigned_dev_id\":%d,\"devnode\":\"/dev/ublkb%d\"}",
				    separator, device->record.id, device->record.block_size,
				    (unsigned long)device->record.size, device->dev_id,
				    device->dev_id);
		separator = ",";
	}
	return used + text_format(into + used, size - used, "]}\n");
}

int exports_write(int folder, uint64_t session_id, const struct device_memory *devices)
{
	static char text[HEAD_SIZE + MAX_EXPORTS * ENTRY_SIZE];
	size_t length = format(text, sizeof(text), session_id, devices);
	int fd = kernel_openat(folder, "exports.json.new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t written;
	int error;

	if (fd < 0)
		return fd;
	written = sys_write(fd, text, length);
	error = sys_fsync(fd);
	sys_close(fd);
	if (written != (ssize_t)length)
		return written < 0 ? (int)written : -EIO;
	if (error < 0)
		return error;
	return kernel_renameat(folder, "exports.json.new", "exports.json");
}
