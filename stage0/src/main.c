/*
 * stage0: the first process of a phone that boots an image which stays on the host. main() is the
 * order of the boot; what each step is about stands in its header.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>

#include "block_root.h"
#include "children.h"
#include "credentials.h"
#include "events.h"
#include "failure.h"
#include "files.h"
#include "framebuffer.h"
#include "gadget.h"
#include "kmsg_tty.h"
#include "log.h"
#include "modules.h"
#include "ostree.h"
#include "settings.h"
#include "switch_root.h"
#include "sys.h"
#include "system.h"
#include "text.h"
#include "usb_gadget.h"
#include "watch.h"

#define DEVKMSG_LIMIT "/proc/sys/kernel/printk_devkmsg"

enum {
	UDC_WAIT_MS = 30000,
	GADGET_WAIT_MS = 15000,
};

static struct settings settings;
static struct deployment deployment;
static char devkmsg_limit[32]; /* as it was */
static uint64_t started_ns;
static unsigned modules_ms;
static pid_t framebuffer;

static unsigned ms_since(uint64_t ns)
{
	return (unsigned)((sys_now_ns() - ns) / 1000000);
}

/* Fine when it is there already: then a bootloader's program ran before us. */
static int mount_virtual(const char *type, const char *folder, unsigned long flags,
			 const char *options)
{
	int result = make_folder(folder, 0755);

	if (result == 0)
		result = sys_mount(type, folder, type, flags, options);
	return result == -EBUSY ? 0 : result;
}

/* The kernel opens its console for the first process only where the initramfs has a node for it. */
static int open_standard_files(void)
{
	int fd = sys_open("/dev/console", O_RDWR | O_NOCTTY, 0);

	if (fd < 0)
		fd = sys_open("/dev/null", O_RDWR | O_NOCTTY, 0);
	if (fd < 0)
		return because(fd, NULL, "/dev/console and /dev/null");
	for (int i = 0; i < 3; i++) {
		int result = sys_dup2(fd, i);

		if (result < 0)
			return because(result, NULL, "file %d", i);
	}
	if (fd > 2)
		sys_close(fd);
	return 0;
}

/* Without this the kernel drops lines that come in quick succession. It wants a line end. */
static void lift_log_limit(void)
{
	if (read_text(DEVKMSG_LIMIT, devkmsg_limit, sizeof(devkmsg_limit)) <= 0 ||
	    write_existing(DEVKMSG_LIMIT, "on\n") < 0)
		devkmsg_limit[0] = '\0';
}

static void restore_log_limit(void)
{
	char text[sizeof(devkmsg_limit) + 1];

	if (!devkmsg_limit[0])
		return;
	text_format(text, sizeof(text), "%s\n", devkmsg_limit);
	write_existing(DEVKMSG_LIMIT, text);
}

static int read_settings(void)
{
	int result;

	settings_default(&settings);
	result = settings_read(&settings, "/etc/stage0");
	failure_plan(settings.failure, settings.failure_delay);
	log_limit(settings.log);
	if (result == 0 && settings.shell)
		result = because(-EINVAL, "remove the setting", "smoo.break: stage0 has no shell");
	return result;
}

static int load_modules(void)
{
	uint64_t before = sys_now_ns();
	int result = modules_load();

	modules_ms = ms_since(before);
	if (result >= 0)
		log_line(LOG_INFO, "loaded %d modules in %u ms", result, modules_ms);
	return result;
}

static void run_gadget(void *context)
{
	const int *news = context;
	const struct gadget_options options = {
		.ffs = FUNCTIONFS,
		.run = "/run/smoo",
		.queue_count = settings.queue_count,
		.queue_depth = settings.queue_depth,
		.max_io_bytes = settings.max_io_bytes,
		.mimic_fastboot = settings.mimic_fastboot,
		.verbose = settings.log == LOG_DEBUG,
	};

	gadget_run(&options, *news);
}

static int start_gadget(void)
{
	int news, result = events_pipe(&news);
	pid_t pid;

	if (result < 0)
		return result;
	pid = child_start("smoo", run_gadget, &news);
	if (pid < 0)
		return because(pid, NULL, "fork");
	events_watch(pid, news);
	return 0;
}

/* Milliseconds that are left until `limit_ms` after `start_ns`, for events_wait(). */
static int left_ms(uint64_t start_ns, unsigned limit_ms)
{
	unsigned gone = ms_since(start_ns);

	return gone < limit_ms ? (int)(limit_ms - gone) : 0;
}

static int wait_for_gadget(void)
{
	uint64_t start = sys_now_ns();

	while (!events_progress()->ready) {
		int result = events_wait(left_ms(start, GADGET_WAIT_MS));

		if (result == -ETIMEDOUT)
			return because(result, "its own lines above may say why",
				       "no news from the gadget process for %u s",
				       GADGET_WAIT_MS / 1000);
		if (result < 0)
			return result;
	}
	return 0;
}

static int bind_controller(void)
{
	char name[UDC_SIZE];
	uint64_t start = sys_now_ns();
	int result;

	while ((result = usb_gadget_find_controller(name)) == -EAGAIN) {
		result = events_wait(left_ms(start, UDC_WAIT_MS));
		if (result == -ETIMEDOUT)
			return because(-ENODEV,
				       "is the module of the phone's USB controller in the device "
				       "profile, and does the device tree let it be a device?",
				       "no USB device controller for %u s", UDC_WAIT_MS / 1000);
		if (result < 0)
			return result;
	}
	if (result == 0)
		result = usb_gadget_bind(name);
	if (result == 0)
		log_line(LOG_INFO, "bound to %s after %u ms (modules %u ms)", name,
			 ms_since(started_ns), modules_ms);
	return result;
}

/* Nothing of this is needed to boot. */
static void start_helpers(void)
{
	pid_t pid;

	if (!settings.acm)
		return;
	pid = child_start("kmsg-tty", kmsg_tty_run, NULL);
	if (pid < 0)
		log_line(LOG_WARNING, "the kernel log will not be on the serial console: %e", pid);
}

/* Takes in what happened since anybody looked: the gadget process may have ended. */
static int check_gadget(void)
{
	int result;

	while ((result = events_wait(0)) == 0)
		;
	return result == -ETIMEDOUT ? 0 : result;
}

static int wait_for_root(void)
{
	int result = check_gadget();

	if (result == 0 && !events_progress()->host)
		log_line(LOG_INFO, "waiting for the host: run fastboop on the computer at the other end "
				   "of the cable");
	while (result == 0 && !events_progress()->online)
		result = events_wait(-1);
	return result;
}

static int find_root(const char **root)
{
	static char path[PATH_SIZE];
	int result = 0;

	deployment.root[0] = '\0';
	if (settings.ostree[0])
		result = ostree_resolve(&deployment, NEW_ROOT, settings.ostree);
	if (result == 0)
		result = path_format(path, NEW_ROOT "%s", deployment.root);
	*root = path;
	return result;
}

static void free_initramfs(void)
{
	int result = switch_root_free_initramfs();

	if (result < 0)
		log_line(LOG_WARNING, "the initramfs keeps its memory: %e", result);
	else
		log_line(LOG_DEBUG, "freed the initramfs: %d files and folders", result);
}

/* Words of the command line that the kernel does not know are for init, as in any boot. */
static int hand_over(char *argv[], char *envp[])
{
	child_end(framebuffer); /* lets go of the display */
	log_line(LOG_INFO, "handing over to the system, %u ms after %s was there",
		 ms_since(events_progress()->online_ns), events_progress()->device);
	restore_log_limit();
	events_close();
	return system_exec_init(argv, envp);
}

int main(int argc, char *argv[], char *envp[])
{
	const char *root;

	(void)argc;
	started_ns = sys_now_ns();
	if (sys_getpid() != 1) {
		log_line(LOG_ERROR, "Cannot run: this is the first process of an initramfs");
		return 1;
	}
	children_named_at(argv[0]);

	step("use / as an initramfs", switch_root_check_initramfs());
	step("mount proc on /proc", mount_virtual("proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	step("mount sysfs on /sys", mount_virtual("sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	step("mount devtmpfs on /dev", mount_virtual("devtmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=0755"));
	step("mount tmpfs on /run", mount_virtual("tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=0755,size=20%,nr_inodes=800k"));
	step("open the console", open_standard_files());
	lift_log_limit();
	step("open the kernel's log", log_open());
	log_line(LOG_INFO, "started");

	step("read the settings", read_settings());
	step("listen to events", events_open());
	step("load modules", load_modules());
	step("boot with this kernel", block_root_check(&settings));
	if (settings.framebuffer)
		framebuffer = child_start("framebuffer", framebuffer_run, NULL);

	step("make the USB gadget", usb_gadget_create(&settings));
	step("mount functionfs on " FUNCTIONFS, usb_gadget_mount_functionfs());
	step("start the gadget process", start_gadget());
	step("wait for the gadget process", wait_for_gadget());
	step("bind the USB controller", bind_controller());
	start_helpers();
	step("start the watching process", watch_start());

	/* What needs no host is done while people and computers take their time. */
	step("make mounts private", sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	free_initramfs();
	step("prepare the root", block_root_prepare(!settings.ostree[0]));
	step("write credentials", credentials_write(&settings));
	step("request units", system_request_units(&settings));
	step("wait for the host", wait_for_root());

	step("mount the root", block_root_mount(&settings, events_progress()->device));
	step("find the root", find_root(&root));
	step("bind the virtual file systems", switch_root_bind(root));
	step("switch to the new root", switch_root_enter(NEW_ROOT));
	if (settings.ostree[0])
		step("switch to the deployment", ostree_enter(&deployment));

	if (settings.remove_fstab)
		step("remove /etc/fstab", system_remove_fstab());
	step("keep the gadget process", check_gadget());
	fail("start the system", hand_over(argv, envp));
}
