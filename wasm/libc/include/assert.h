/* Upstream asserts state what upstream knows to hold; none of them guards against input. */
#undef assert
#define assert(condition) ((void)0)
#ifndef static_assert
#define static_assert _Static_assert
#endif
