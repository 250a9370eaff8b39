/* Processes, what they wait for, and the kernel itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "fake_files.h"
#include "sys.h"

enum { FIRST_CHILD = 100, SLEEPS_OF_WAITING = 5 };

static struct {
	struct gadget_news news[16];
	unsigned count;
	bool writer_gone;
	unsigned uevents;
	bool child_signal;
	pid_t dead[4];
	int dead_status[4];
	unsigned dead_count;
	unsigned sleeps;
	unsigned forks;
	bool handed_over;
	bool pipe_made;
	pid_t gadget;
} state;

ssize_t fake_read_queue(struct open_file *file, void *into, size_t size)
{
	struct signalfd_siginfo info = { .ssi_signo = SIGCHLD };

	if (file->kind == FILE_UEVENTS) {
		if (state.uevents == 0)
			return -EAGAIN;
		state.uevents--;
		memcpy(into, "add@/x", 7);
		return 7;
	}
	if (file->kind == FILE_SIGNALS) {
		if (!state.child_signal)
			return -EAGAIN;
		state.child_signal = false;
		memcpy(into, &info, sizeof(info) < size ? sizeof(info) : size);
		return (ssize_t)sizeof(info);
	}
	if (state.count == 0)
		return state.writer_gone ? 0 : -EAGAIN;
	memcpy(into, &state.news[0], sizeof(state.news[0]));
	memmove(&state.news[0], &state.news[1], --state.count * sizeof(state.news[0]));
	return sizeof(state.news[0]);
}

int sys_dup2(int from, int to)
{
	COUNT("dup2", NULL);
	if (!fake_file(from))
		return -EBADF;
	files[to] = files[from];
	return to;
}

int sys_fcntl(int fd, int command, long argument)
{
	COUNT("fcntl", NULL);
	(void)argument;
	if (!fake_file(fd) || command != F_DUPFD_CLOEXEC)
		return -EINVAL;
	return fake_new_file(fake_file(fd)->kind, NULL);
}

int sys_pipe(int fds[2])
{
	COUNT("pipe", NULL);
	/* The second one is that of the watching process. */
	fds[0] = fake_new_file(state.pipe_made ? FILE_LIFE_READ : FILE_NEWS_READ, NULL);
	fds[1] = fake_new_file(FILE_WRITE, NULL);
	state.pipe_made = true;
	return 0;
}

static short ready_events(const struct open_file *file)
{
	switch (file->kind) {
	case FILE_NEWS_READ:
		return (short)((state.count > 0 ? POLLIN : 0) | (state.writer_gone ? POLLHUP : 0));
	case FILE_LIFE_READ:
		return state.handed_over ? POLLHUP : 0;
	case FILE_SIGNALS:
		return state.child_signal ? POLLIN : 0;
	case FILE_UEVENTS:
		return state.uevents > 0 ? POLLIN : 0;
	default:
		return 0;
	}
}

static void dies(pid_t pid, int status)
{
	state.dead[state.dead_count] = pid;
	state.dead_status[state.dead_count++] = status;
	state.child_signal = true;
}

/* The next thing happens; false when nothing more will. */
static bool happen(void)
{
	const struct fake_event *event = fake.events;

	if (event->what == EVENT_END)
		return false;
	fake.events++;
	fake.now_ns += 1000000;
	switch (event->what) {
	case EVENT_NEWS:
		if (event->news.what == GADGET_ONLINE && event->news.index == 0)
			tree_make(fake.devices, event->news.device + 5, "");
		state.news[state.count++] = event->news;
		break;
	case EVENT_UDC:
		tree_make(fake.sys, "class/udc/usbip-vudc.0", NULL);
		state.uevents = 2;
		break;
	case EVENT_GADGET_DIES:
		state.writer_gone = true;
		dies(state.gadget, event->status);
		break;
	case EVENT_HANDOFF:
		state.handed_over = true;
		break;
	case EVENT_OTHER_DIES:
		dies(50, 0);
		break;
	default:
		state.uevents++;
	}
	return true;
}

int sys_poll(struct pollfd *fds, unsigned number, int timeout_ms)
{
	int ready = 0;

	COUNT("poll", NULL);
	do {
		for (unsigned i = 0; i < number; i++) {
			struct open_file *file = fake_file(fds[i].fd);

			fds[i].revents = file ? ready_events(file) & (fds[i].events | POLLHUP) : 0;
			ready += fds[i].revents != 0;
		}
	} while (ready == 0 && timeout_ms != 0 && happen());
	if (ready == 0 && timeout_ms < 0)
		fake_end(FAKE_HANG, 0);
	if (ready == 0)
		fake.now_ns += (uint64_t)timeout_ms * 1000000;
	return ready;
}

pid_t sys_getpid(void)
{
	return fake.pid;
}

pid_t sys_fork(void)
{
	COUNT("fork", NULL);
	if (++state.forks == fake.child_of_fork) {
		fake.pid = 200;
		fake.events = fake.events_of_child;
		return 0;
	}
	/* The gadget's is the one behind the pipe for its news. */
	if (state.pipe_made && state.gadget == 0)
		state.gadget = (pid_t)(FIRST_CHILD + fake.forks);
	return (pid_t)(FIRST_CHILD + fake.forks++);
}

static void join(char *into, size_t size, char *const list[])
{
	into[0] = '\0';
	for (; *list; list++) {
		fake_append(into, size, *list, strlen(*list));
		fake_append(into, size, " ", 1);
	}
}

int sys_execve(const char *path, char *const argv[], char *const envp[])
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("execve", path);
	if (!node)
		return error;
	if (strcmp(node->text, "ELF") != 0)
		return strcmp(node->text, "no loader") == 0 ? -ENOENT : -ENOEXEC;
	snprintf(fake.exec_path, sizeof(fake.exec_path), "%s", path);
	join(fake.exec_arguments, sizeof(fake.exec_arguments), argv);
	join(fake.exec_environment, sizeof(fake.exec_environment), envp);
	fake_end(FAKE_EXEC, 0);
}

_Noreturn void sys_exit(int status)
{
	fake_end(FAKE_EXIT, status);
}

pid_t sys_waitpid(pid_t pid, int *status, int options)
{
	COUNT("waitpid", NULL);
	(void)options;
	if (pid > 0)
		return pid;
	if (state.dead_count == 0)
		return 0;
	*status = state.dead_status[--state.dead_count];
	return state.dead[state.dead_count];
}

int sys_kill(pid_t pid, int signal)
{
	COUNT("kill", NULL);
	fake.killed = signal == SIGKILL ? pid : 0;
	return 0;
}

int sys_prctl(int option, unsigned long a, unsigned long b)
{
	COUNT("prctl", NULL);
	(void)option, (void)a, (void)b;
	return 0;
}

int sys_sigprocmask(int how, const sigset_t *set)
{
	COUNT("sigprocmask", sigismember(set, SIGCHLD) ? "block" : "restore");
	(void)how;
	return 0;
}

int sys_signalfd(const sigset_t *set)
{
	COUNT("signalfd", NULL);
	return sigismember(set, SIGCHLD) ? fake_new_file(FILE_SIGNALS, NULL) : -EINVAL;
}

int sys_uevent_socket(void)
{
	COUNT("uevent_socket", NULL);
	return fake_new_file(FILE_UEVENTS, NULL);
}

int sys_finit_module(int fd, const char *parameters, int flags)
{
	char path[4096];
	const char *name = strrchr(fake_name(fd, path), '/');

	COUNT("finit_module", name);
	(void)parameters, (void)flags;
	if (!fake_file(fd) || !name)
		return -EBADF;
	if (fake.module_that_fails && strstr(name, fake.module_that_fails))
		return fake.module_error;
	fake_append(fake.modules, sizeof(fake.modules), name + 1, strcspn(name + 1, "."));
	fake_append(fake.modules, sizeof(fake.modules), " ", 1);
	fake_uevent();
	if (fake.udc_at_once && strstr(name, "vudc"))
		tree_make(fake.sys, "class/udc/usbip-vudc.0", NULL);
	return 0;
}

int sys_reboot(int command, const char *argument)
{
	COUNT("reboot", NULL);
	snprintf(fake.reboot_argument, sizeof(fake.reboot_argument), "%s", argument ? argument : "");
	fake_end(FAKE_REBOOT, command);
}

ssize_t sys_getrandom(void *into, size_t size)
{
	COUNT("getrandom", NULL);
	memset(into, 0xa5, size);
	return (ssize_t)size;
}

uint64_t sys_now_ns(void)
{
	return fake.now_ns += 1000;
}

void sys_sleep_ms(unsigned ms)
{
	fake.slept_ms += ms;
	fake.now_ns += (uint64_t)ms * 1000000;
	if (++state.sleeps == SLEEPS_OF_WAITING)
		fake_end(FAKE_WAITS, 0);
}

int sys_ioctl(int fd, unsigned long request, void *argument)
{
	COUNT("ioctl", NULL);
	(void)fd, (void)request, (void)argument;
	return -ENOTTY;
}

void *sys_mmap(void *address, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	(void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)offset;
	return (void *)(intptr_t)-ENODEV;
}

int sys_munmap(void *address, size_t size)
{
	(void)address, (void)size;
	return 0;
}

void fake_uevent(void)
{
	state.uevents++;
}

void fake_reset_processes(void)
{
	memset(&state, 0, sizeof(state));
}
