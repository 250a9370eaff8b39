/* Which block devices there are: those of the host's list, and who is told about them. */
#include "log.h"
#include "sys.h"
#include "text.h"
#include "worker.h"

/* -- News for PID 1, which is gone after the handoff -- */

void worker_tell(struct worker *w, const struct gadget_news *news)
{
	sys_write(w->files->news, news, sizeof(*news));
}

static const struct device *device_of(const struct worker *w, uint32_t export_id)
{
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		const struct device *device = &w->devices.list[i];

		if (device_is_used(device) && device->memory->record.id == export_id)
			return device;
	}
	return NULL;
}

static void tell_online(struct worker *w, const struct device *changed)
{
	const struct export_list *wanted = &w->shared->wanted;

	for (uint32_t i = 0; i < wanted->count; i++) {
		const struct device *device = device_of(w, wanted->exports[i].id);
		struct gadget_news news = { .what = GADGET_ONLINE, .index = i,
					    .count = wanted->count };

		if (!device || device->state != DEVICE_LIVE || (changed && changed != device))
			continue;
		news.export_id = device->memory->record.id;
		news.block_size = device->memory->record.block_size;
		news.size = device->memory->record.size;
		text_format(news.device, sizeof(news.device), "/dev/ublkb%d",
			    device->memory->dev_id);
		worker_tell(w, &news);
	}
}

/* -- Exports -- */

static bool is_same(const struct export_record *a, const struct export_record *b)
{
	/* Not the flags: a device in use stays as it is. */
	return a->id == b->id && a->block_size == b->block_size && a->size == b->size;
}

static bool is_wanted(const struct export_list *wanted, const struct export_record *record)
{
	for (uint32_t i = 0; i < wanted->count; i++) {
		if (is_same(&wanted->exports[i], record))
			return true;
	}
	return false;
}

/* Do transfers use its memory, or may the host still answer it? */
static bool is_busy(const struct worker *w, const struct device *device)
{
	if (!plane_is_clean(&w->plane))
		return true;
	for (const struct request *r = w->outstanding.first; r; r = r->next) {
		if (r->device == device && r->state != REQUEST_WAITING)
			return true;
	}
	return false;
}

static void remove_device(struct worker *w, struct device *device)
{
	/* Bytes for what is gone would be taken for those of others. */
	if (is_busy(w, device)) {
		if (plane_is_clean(&w->plane))
			worker_lose_step(w);
		if (!plane_is_clean(&w->plane))
			return;
	}
	log_line(LOG_INFO, "export %08x is gone: removing its block device",
		 device->memory->record.id);
	device_remove(&w->devices, device);
	w->listed = false;
}

static struct device *unused_device(struct worker *w)
{
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		if (!device_is_used(&w->devices.list[i]))
			return &w->devices.list[i];
	}
	return NULL;
}

/* Makes the block devices those that are wanted; called until nothing is left to do. */
void worker_reconcile(struct worker *w)
{
	const struct export_list *wanted = &w->shared->wanted;
	bool waits = false;

	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		struct device *device = &w->devices.list[i];

		if (!device_is_used(device) || device->closing ||
		    is_wanted(wanted, &device->memory->record))
			continue;
		remove_device(w, device);
		waits = waits || !device->closing;
	}
	for (uint32_t i = 0; i < wanted->count; i++) {
		struct device *unused = unused_device(w);

		/* One that is being removed under this id has to be gone first. */
		if (unused && !device_of(w, wanted->exports[i].id))
			device_add(&w->devices, unused, &wanted->exports[i]);
	}
	w->devices_changed = waits;
}

void worker_write_list(struct worker *w)
{
	int error = exports_write(w->files->run, w->mailbox.session_id, w->shared->devices);

	if (error < 0)
		log_line(LOG_WARNING, "cannot write exports.json: %e", error);
	w->listed = true;
}

void worker_device_changed(struct worker *w, const struct device *device)
{
	w->devices_changed = true;
	w->listed = false;
	if (device->state != DEVICE_LIVE)
		return;
	log_line(LOG_INFO, "export %08x is /dev/ublkb%d: %lu bytes", device->memory->record.id,
		 device->memory->dev_id, (unsigned long)device->memory->record.size);
	tell_online(w, device);
}

void worker_take_config(struct worker *w, const struct export_list *list)
{
	struct gadget_news news = { .what = GADGET_EXPORTS, .count = list->count };

	w->shared->wanted = *list;
	w->devices_changed = true;
	w->listed = false;
	worker_tell(w, &news);
	tell_online(w, NULL);
	if (w->verbose)
		log_line(LOG_INFO, "the host offers %u exports", list->count);
}
