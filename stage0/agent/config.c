/* What the emulator tells, and the modules it wants loaded before stage0 does. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "text.h"

/* The lines stay here. */
static char text[8192];

static void read_line(struct config *config, char *line)
{
	char *value = strchr(line, ' ');
	uint64_t number;

	if (value)
		*value++ = 0;
	else
		value = line + strlen(line);
	if (!strcmp(line, "port") && text_number(value, 65535, &number)) {
		config->port = (uint16_t)number;
	} else if (!strcmp(line, "controller") && !strcmp(value, "vudc")) {
		config->controller = CONTROLLER_VUDC;
	} else if (!strcmp(line, "controller") && !strcmp(value, "dummy")) {
		config->controller = CONTROLLER_DUMMY;
	} else if (!strcmp(line, "module") && config->module_count < 32) {
		config->modules[config->module_count++] = value;
	} else {
		fail("cannot use the line \"%s %s\" of the configuration", line, value);
	}
}

void read_config(struct config *config)
{
	int fd = open(AGENT_FOLDER "/config", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (size < 0)
		fail("cannot read %s: %e", AGENT_FOLDER "/config", errno);
	close(fd);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		read_line(config, line);
	}
	if (!config->port)
		fail("cannot use the configuration: it names no port");
}

void load_modules(const struct config *config)
{
	for (unsigned i = 0; i < config->module_count; i++) {
		char *path = config->modules[i];
		char *parameters = strchr(path, ' ');

		if (parameters)
			*parameters++ = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		size_t length = strlen(path);
		bool plain = length > 3 && !strcmp(path + length - 3, ".ko");
		if (fd < 0)
			fail("cannot open module %s: %e", path, errno);
		if (syscall(SYS_finit_module, fd, parameters ? parameters : "",
			    plain ? 0 : 4 /* MODULE_INIT_COMPRESSED_FILE */) &&
		    errno != EEXIST)
			fail("cannot load module %s: %e", path, errno);
		close(fd);
	}
}
