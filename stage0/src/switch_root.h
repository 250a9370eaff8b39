/* From the initramfs into the root of the system to boot. */
#ifndef STAGE0_SWITCH_ROOT_H
#define STAGE0_SWITCH_ROOT_H

/*
 * Makes /proc, /sys, /dev and /run visible below `root` too. Ours stay where they are: the gadget
 * process goes on to use them. What is mounted below /run stays ours alone.
 */
int switch_root_bind(const char *root);

/*
 * Refuses a "/" that is not kept in memory, as an initramfs is: it could be somebody's disk, where
 * nothing may be written or deleted.
 */
int switch_root_check_initramfs(void);

/*
 * Deletes all files of the initramfs, which is memory that nobody could reach later. Mounts are not
 * entered and links not followed. What cannot be deleted stays.
 *
 * @return How many files went, or a negative errno when the root cannot be read.
 */
int switch_root_free_initramfs(void);

/* Puts the mount `folder` in the place of "/" and goes there. */
int switch_root_enter(const char *folder);

#endif
