#include "failure.h"

#include <stdarg.h>
#include <stdbool.h>
#include <sys/reboot.h>
#include <linux/reboot.h>

#include "files.h"
#include "log.h"
#include "sys.h"
#include "text.h"

enum { STANDARD_ERROR = 2 };

static enum failure_policy plan = FAILURE_PANIC;
static unsigned delay_s = 5;
static char object[512];
static const char *look_at;

void failure_plan(enum failure_policy policy, unsigned seconds)
{
	plan = policy;
	delay_s = seconds;
}

unsigned failure_delay_ms(void)
{
	return plan == FAILURE_WAIT ? 3600 * 1000 : delay_s * 1000;
}

int because(int error, const char *advice, const char *format, ...)
{
	va_list list;

	look_at = advice;
	va_start(list, format);
	text_format_list(object, sizeof(object), format, list);
	va_end(list);
	return error;
}

/*
 * The same line where a person may be looking: consoles show the kernel's log only sometimes. The
 * file that is open, since /dev may be out of reach while roots are switched.
 */
static void tell_console(const char *line)
{
	char text[900];
	size_t length = text_format(text, sizeof(text), "stage0: %s\r\n", line);

	sys_write(STANDARD_ERROR, text, length < sizeof(text) ? length : sizeof(text) - 1);
}

static const char *what_follows(void)
{
	switch (plan) {
	case FAILURE_REBOOT:
		return "restarting";
	case FAILURE_BOOTLOADER:
		return "restarting into the bootloader";
	case FAILURE_POWEROFF:
		return "powering off";
	case FAILURE_WAIT:
		return "waiting for you";
	case FAILURE_PANIC:
		break;
	}
	return "kernel panic";
}

static void tell(const char *what, int error)
{
	char line[880], end[64];
	bool with_object = object[0] != '\0', with_advice = look_at != NULL;

	if (plan == FAILURE_WAIT)
		text_format(end, sizeof(end), "%s", what_follows());
	else
		text_format(end, sizeof(end), "%s in %u s", what_follows(), delay_s);
	text_format(line, sizeof(line), "Cannot %s: %s%s%e, %s%s%s [%s]", what, object,
		    with_object ? ": " : "", error, errno_meaning(error), with_advice ? "; " : "",
		    with_advice ? look_at : "", end);
	text_clean(line);
	/* One of them goes to the console anyway when there is no log. */
	log_line(LOG_ERROR, "%s", line);
	if (log_is_open())
		tell_console(line);
}

_Noreturn void fail(const char *what, int error)
{
	tell(what, error);
	while (plan == FAILURE_WAIT)
		sys_sleep_ms(60000);
	/* Meanwhile the host can ask the gadget for the log. */
	sys_sleep_ms(delay_s * 1000);
	switch (plan) {
	case FAILURE_REBOOT:
		sys_reboot(LINUX_REBOOT_CMD_RESTART, NULL);
		break;
	case FAILURE_BOOTLOADER:
		sys_reboot(LINUX_REBOOT_CMD_RESTART2, "bootloader");
		break;
	case FAILURE_POWEROFF:
		sys_reboot(LINUX_REBOOT_CMD_POWER_OFF, NULL);
		break;
	case FAILURE_WAIT:
	case FAILURE_PANIC:
		break;
	}
	/* Of PID 1 this is the kernel's panic; others must ask for it. */
	if (sys_getpid() != 1) {
		write_existing("/proc/sysrq-trigger", "c");
		sys_reboot(LINUX_REBOOT_CMD_RESTART, NULL);
	}
	sys_exit(1);
}

ssize_t step(const char *what, ssize_t result)
{
	if (result < 0)
		fail(what, (int)result);
	log_line(LOG_DEBUG, "done: %s", what);
	/* What an earlier step noted and survived is not about the next one. */
	object[0] = '\0';
	look_at = NULL;
	return result;
}
