/* A sign of life on the phone's screen. */
#ifndef STAGE0_FRAMEBUFFER_H
#define STAGE0_FRAMEBUFFER_H

/*
 * Fills the first display with one colour as soon as there is one, and holds it until it is killed,
 * which leaves the display to whoever comes next. For child_start(); `context` is not used.
 */
void framebuffer_run(void *context);

#endif
