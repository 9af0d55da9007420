// grammar_formats.ts: the formats of strings that OpenAI's structured outputs have, as regular expressions. Each gives texts of the
// format, not all of them: no leap days, no leap seconds, short names.
const MONTH_AND_DAY =
  "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)";
const DATE = `[12]\\d{3}-${MONTH_AND_DAY}`;
const HOUR = "(?:[01]\\d|2[0-3])";
const TIME = `${HOUR}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${HOUR}:[0-5]\\d)`;
const COUNT = "\\d{1,4}";
const OF_DAY = `T(?:${COUNT}H(?:${COUNT}M)?(?:${COUNT}S)?|${COUNT}M(?:${COUNT}S)?|${COUNT}S)`;
const OF_YEAR = `(?:${COUNT}Y(?:${COUNT}M(?:${COUNT}D)?)?|${COUNT}M(?:${COUNT}D)?|${COUNT}D)`;
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?";
const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const HEX = "[0-9a-f]";

export const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  duration: `P(?:${OF_YEAR}(?:${OF_DAY})?|${OF_DAY}|${COUNT}W)`,
  email: `[a-z0-9_+-]{1,20}(?:\\.[a-z0-9_+-]{1,20}){0,2}@${LABEL}(?:\\.${LABEL}){0,2}\\.[a-z]{2,8}`,
  hostname: `${LABEL}(?:\\.${LABEL}){0,3}`,
  ipv4: `${OCTET}(?:\\.${OCTET}){3}`,
  ipv6: `${HEX}{1,4}(?::${HEX}{1,4}){7}`,
  uuid: `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`,
};
