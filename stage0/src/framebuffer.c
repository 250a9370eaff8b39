#include "framebuffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "drm_abi.h"
#include "log.h"
#include "sys.h"
#include "text.h"

enum {
	CARDS = 8,
	MOST_OBJECTS = 32, /* connectors or CRTCs of a card */
	MOST_MODES = 256,
	HOT_PINK = 0x00ff0080, /* XRGB8888; the bytes are 80 00 ff 00 */
};

/* What is needed to light up a screen. */
struct screen {
	uint32_t crtc, connector;
	struct drm_mode_modeinfo mode;
};

/* Its first mode is the one the display prefers. */
static bool first_mode(int card, uint32_t connector, struct drm_mode_modeinfo *mode)
{
	static struct drm_mode_modeinfo modes[MOST_MODES];
	/* Without room for modes the kernel looks anew what is connected. */
	struct drm_mode_get_connector about = { .connector_id = connector };

	if (sys_ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &about) < 0 ||
	    about.connection != DRM_MODE_CONNECTED || about.count_modes == 0)
		return false;
	about = (struct drm_mode_get_connector){
		.connector_id = connector,
		.count_modes = MOST_MODES,
		.modes_ptr = (uintptr_t)modes,
	};
	if (sys_ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &about) < 0 || about.count_modes == 0 ||
	    about.count_modes > MOST_MODES)
		return false;
	*mode = modes[0];
	return true;
}

static int find_screen(int card, struct screen *screen)
{
	uint32_t crtcs[MOST_OBJECTS], connectors[MOST_OBJECTS];
	struct drm_mode_card_res all = {
		.count_crtcs = MOST_OBJECTS,
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_connectors = MOST_OBJECTS,
		.connector_id_ptr = (uintptr_t)connectors,
	};
	int result = sys_ioctl(card, DRM_IOCTL_MODE_GETRESOURCES, &all);

	if (result < 0)
		return result;
	/* More than there is room for are not written at all. */
	if (all.count_crtcs == 0 || all.count_crtcs > MOST_OBJECTS ||
	    all.count_connectors > MOST_OBJECTS)
		return -ENODEV;
	screen->crtc = crtcs[0];
	for (uint32_t i = 0; i < all.count_connectors; i++) {
		screen->connector = connectors[i];
		if (first_mode(card, connectors[i], &screen->mode))
			return 0;
	}
	return -ENODEV;
}

static int fill(int card, uint32_t handle, size_t size)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	int result = sys_ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map);
	uint32_t *pixels;

	if (result < 0)
		return result;
	pixels = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, card, map.offset);
	if (SYS_IS_ERROR(pixels))
		return SYS_ERROR(pixels);
	for (size_t i = 0; i < size / sizeof(*pixels); i++)
		pixels[i] = HOT_PINK;
	return sys_munmap(pixels, size);
}

static int show(int card, struct screen *screen)
{
	struct drm_mode_create_dumb buffer = {
		.width = screen->mode.hdisplay, .height = screen->mode.vdisplay, .bpp = 32
	};
	struct drm_mode_fb_cmd frame;
	struct drm_mode_crtc set;
	int result = sys_ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &buffer);

	if (result == 0)
		result = fill(card, buffer.handle, (size_t)buffer.size);
	if (result < 0)
		return result;
	frame = (struct drm_mode_fb_cmd){
		.width = buffer.width,
		.height = buffer.height,
		.pitch = buffer.pitch,
		.bpp = 32,
		.depth = 24,
		.handle = buffer.handle,
	};
	result = sys_ioctl(card, DRM_IOCTL_MODE_ADDFB, &frame);
	if (result < 0)
		return result;
	set = (struct drm_mode_crtc){
		.set_connectors_ptr = (uintptr_t)&screen->connector,
		.count_connectors = 1,
		.crtc_id = screen->crtc,
		.fb_id = frame.fb_id,
		.mode_valid = 1,
		.mode = screen->mode,
	};
	return sys_ioctl(card, DRM_IOCTL_MODE_SETCRTC, &set);
}

/* The card stays open where this works: closing it would turn the screen off. */
static int light_up(unsigned number)
{
	struct screen screen;
	char path[32];
	int card, result;

	text_format(path, sizeof(path), "/dev/dri/card%u", number);
	card = sys_open(path, O_RDWR, 0);
	if (card < 0)
		return card;
	result = find_screen(card, &screen);
	if (result == 0)
		result = show(card, &screen);
	if (result == 0)
		log_line(LOG_INFO, "%s shows %ux%u", path, screen.mode.hdisplay,
			 screen.mode.vdisplay);
	else
		sys_close(card);
	return result;
}

void framebuffer_run(void *context)
{
	char event[2048];
	struct pollfd events = { .fd = sys_uevent_socket(), .events = POLLIN };

	(void)context;
	if (events.fd < 0) {
		log_line(LOG_WARNING, "the screen stays dark: uevent socket: %e", events.fd);
		return;
	}
	for (;;) {
		for (unsigned i = 0; i < CARDS; i++) {
			if (light_up(i) == 0)
				sys_poll(NULL, 0, -1); /* until killed */
		}
		/* A driver, a card or a cable may come. */
		sys_poll(&events, 1, -1);
		while (sys_read(events.fd, event, sizeof(event)) > 0)
			;
	}
}
