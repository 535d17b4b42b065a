/** Whether it is an absolute http or https address. */
export const isWebUrl = (text: string | null | undefined): text is string =>
  text != null && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
