/**
 * A name that may be shown: of a link, without what may be secret in it, which is user, password,
 * query and fragment.
 */
export function withoutCredentials(name: string): string {
  return name
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1")
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^?#]*)[?#].*$/is, "$1");
}
