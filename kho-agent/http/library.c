// SPDX-License-Identifier: GPL-2.0-only
/* libmicrohttpd, loaded on demand; http.h says why. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "http/library.h"

/* A function's address, as dlsym() has it, in a variable of the function's type. */
static int find(void *handle, const char *name, void *ret, struct kho_err *err)
{
	void *address = dlsym(handle, name);

	if (!address)
		return kho_fail(err, -ENOPKG, KHO_HTTP_LIBRARY " has no %s; install Debian's "
				"libmicrohttpd12t64", name);
	memcpy(ret, &address, sizeof(address));
	return 0;
}

int kho_http_library_load(struct kho_http_library *ret, struct kho_err *err)
{
	struct kho_http_library library = { .handle = dlopen(KHO_HTTP_LIBRARY, RTLD_NOW) };
	int r = 0;

	if (!library.handle)
		return kho_fail(err, -ENOPKG, "%s; install Debian's libmicrohttpd12t64, or take "
				"Listen= out of [Metrics]", dlerror());
#define FIND(name) \
	if (r >= 0) \
		r = find(library.handle, "MHD_" #name, &library.name, err);
	KHO_HTTP_FUNCTIONS(FIND)
#undef FIND
	if (r < 0)
		dlclose(library.handle);
	else
		*ret = library;
	return r;
}

void kho_http_library_unload(struct kho_http_library *library)
{
	if (library->handle)
		dlclose(library->handle);
	library->handle = NULL;
}
