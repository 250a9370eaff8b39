/* What the booted system is told about itself, as credentials of systemd. */
#ifndef STAGE0_CREDENTIALS_H
#define STAGE0_CREDENTIALS_H

#include "settings.h"

/*
 * Writes system.machine_id and firstboot.* to /run/credentials/@initrd, from where systemd 254 and
 * later take them, and firstboot.* to /run/credstore too, where units of earlier ones look.
 *
 * @see systemd(1) and systemd.system-credentials(7)
 */
int credentials_write(const struct settings *settings);

#endif
