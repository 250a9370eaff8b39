/* Leaves a process behind and becomes /init, with the arguments that were meant for it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

/* A file system that only this process can reach, and that no later mount or removal can take. */
static int open_private(const char *type)
{
	const char *folder = AGENT_FOLDER "/mount";

	mkdir(folder, 0700);
	if (mount(type, folder, type, 0, NULL))
		fail("cannot mount %s: %e", type, errno);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || umount2(folder, MNT_DETACH))
		fail("cannot keep %s: %e", type, errno);
	return fd;
}

/* systemd and the kernel spare such processes when they end others. */
static void protect(char *name)
{
	int proc = open_private("proc");
	int fd = openat(proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	name[0] = '@';
	if (fd < 0 || write(fd, "-1000", 5) != 5)
		fail("cannot keep the agent from the OOM killer: %e", errno);
	close(fd);
	close(proc);
	prctl(PR_SET_NAME, "fastboop-agent");
	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static _Noreturn void serve(const struct config *config, int sys)
{
	take_network();
	if (config->controller == CONTROLLER_DUMMY)
		serve_dummy(sys, config->port);
	serve_vudc(sys, config->port);
}

int main(int argc, char **argv)
{
	struct config config = { 0 };

	(void)argc;
	say_open();
	read_config(&config);
	load_modules(&config);
	int sys = open_private("sysfs");
	if (config.controller == CONTROLLER_DUMMY)
		keep_drivers_off(sys);
	pid_t child = fork();
	if (child < 0)
		fail("cannot fork: %e", errno);
	if (child == 0) {
		protect(argv[0]);
		serve(&config, sys);
	}
	argv[0] = "/init";
	execv("/init", argv);
	fail("cannot start /init: %e", errno);
}
