#include "credentials.h"

#include "files.h"
#include "machine_id.h"

#define INITRD "/run/credentials/@initrd"
#define STORE "/run/credstore"

static int write_one(const char *folder, const char *name, const char *text)
{
	char path[PATH_SIZE];
	int result = path_format(path, "%s/%s", folder, name);

	if (result == 0)
		result = write_new(path, text, 0600);
	return result < 0 ? because(result, NULL, "%s", path) : 0;
}

static int write_firstboot(const struct settings *settings, const char *folder)
{
	const struct {
		const char *name, *text;
	} all[] = {
		{ "firstboot.locale", settings->locale },
		{ "firstboot.locale-messages", settings->locale_messages },
		{ "firstboot.keymap", settings->keymap },
		{ "firstboot.timezone", settings->timezone },
	};
	int result = 0;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]) && result == 0; i++) {
		if (all[i].text[0])
			result = write_one(folder, all[i].name, all[i].text);
	}
	return result;
}

int credentials_write(const struct settings *settings)
{
	char id[MACHINE_ID_SIZE];
	int result;

	if ((result = make_folder("/run/credentials", 0755)) < 0 ||
	    (result = make_folder(INITRD, 0700)) < 0)
		return because(result, NULL, INITRD);
	if ((result = make_folder(STORE, 0700)) < 0)
		return because(result, NULL, STORE);
	if ((result = machine_id(settings->serial, id)) < 0)
		return because(result, NULL, "random bytes");
	if ((result = write_one(INITRD, "system.machine_id", id)) < 0 ||
	    (result = write_firstboot(settings, INITRD)) < 0)
		return result;
	return write_firstboot(settings, STORE);
}
