#include "usb_gadget.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "files.h"
#include "sys.h"
#include "text.h"

#define CONFIGFS "/sys/kernel/config"
#define GADGET CONFIGFS "/usb_gadget/fastboop"
#define CONFIGURATION GADGET "/configs/c.1"
#define FFS_INSTANCE "smoo"

static const char WRONG_MODULES[] = "are configfs, libcomposite and usb_f_fs loaded or built in?";

/* configfs makes what belongs into a folder together with it. */
static int make_item(const char *path)
{
	int result = sys_mkdir(path, 0755);

	return result < 0 ? because(result, WRONG_MODULES, "%s", path) : 0;
}

static int set(const char *path, const char *value)
{
	int result = write_existing(path, value);

	return result < 0 ? because(result, WRONG_MODULES, "%s = \"%s\"", path, value) : 0;
}

static int set_id(const char *path, unsigned id)
{
	char text[8];

	text_format(text, sizeof(text), "0x%04x", id);
	return set(path, text);
}

static int add_function(const char *function, const char *link)
{
	int result = make_item(function);

	if (result < 0)
		return result;
	result = sys_symlink(function, link);
	return result < 0 ? because(result, WRONG_MODULES, "%s", link) : 0;
}

/* Strings of USB hold at most 126 UTF-16 units; configfs takes as many bytes. */
static int set_serial(const char *serial)
{
	char text[127];
	size_t length = strlen(serial);

	if (length == 0)
		return 0;
	if (length > 126) {
		length = 126;
		/* not within a character of UTF-8 */
		while (length > 0 && ((unsigned char)serial[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(text, serial, length);
	text[length] = '\0';
	return set(GADGET "/strings/0x409/serialnumber", text);
}

static int describe(const struct settings *settings)
{
	int result;

	if ((result = make_item(GADGET)) < 0 ||
	    (result = set_id(GADGET "/idVendor", settings->vendor)) < 0 ||
	    (result = set_id(GADGET "/idProduct", settings->product)) < 0 ||
	    (result = set(GADGET "/bcdUSB", "0x0200")) < 0 ||
	    (result = make_item(GADGET "/strings/0x409")) < 0 ||
	    (result = set(GADGET "/strings/0x409/manufacturer", "fastboop")) < 0 ||
	    (result = set(GADGET "/strings/0x409/product", "smoo gadget")) < 0)
		return result;
	return set_serial(settings->serial);
}

static int configure(bool acm)
{
	int result;

	if ((result = make_item(CONFIGURATION)) < 0 ||
	    (result = make_item(CONFIGURATION "/strings/0x409")) < 0 ||
	    (result = set(CONFIGURATION "/strings/0x409/configuration", "smoo")) < 0 ||
	    (result = set(CONFIGURATION "/bmAttributes", "0x80")) < 0 ||
	    (result = set(CONFIGURATION "/MaxPower", "500")) < 0 ||
	    (result = add_function(GADGET "/functions/ffs." FFS_INSTANCE, CONFIGURATION "/ffs")) < 0)
		return result;
	return acm ? add_function(GADGET "/functions/acm.0", CONFIGURATION "/acm") : 0;
}

int usb_gadget_create(const struct settings *settings)
{
	int result = sys_mount("configfs", CONFIGFS, "configfs", MS_NOSUID | MS_NOEXEC | MS_NODEV,
			       NULL);

	if (result < 0 && result != -EBUSY)
		return because(result, WRONG_MODULES, "mount of configfs on " CONFIGFS);
	result = describe(settings);
	return result < 0 ? result : configure(settings->acm);
}

int usb_gadget_mount_functionfs(void)
{
	int result = make_folder(FUNCTIONFS, 0700);

	if (result < 0)
		return because(result, NULL, FUNCTIONFS);
	return sys_mount(FFS_INSTANCE, FUNCTIONFS, "functionfs", MS_NOSUID | MS_NOEXEC | MS_NODEV,
			 NULL);
}

int usb_gadget_find_controller(char name[UDC_SIZE])
{
	struct names controllers;
	int result = list_folder("/sys/class/udc", &controllers);

	/* The folder comes with the module udc-core. */
	if (result == -ENOENT)
		return -EAGAIN;
	if (result < 0)
		return because(result, NULL, "/sys/class/udc");
	if (controllers.count == 0)
		result = -EAGAIN;
	else if (text_format(name, UDC_SIZE, "%s", controllers.list[0]) >= UDC_SIZE)
		result = -ENAMETOOLONG;
	free_names(&controllers);
	return result;
}

int usb_gadget_bind(const char *controller)
{
	int result = write_existing(GADGET "/UDC", controller);

	return result < 0 ? because(result,
				    "the USB controller refused: see the kernel's lines above; another "
				    "gadget may have it",
				    "%s", controller) :
			    0;
}
