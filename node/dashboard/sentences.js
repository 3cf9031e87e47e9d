// Plain language. Functions from what the node says to what a person reads; they touch no page.

const whole = new Intl.NumberFormat("en");
const shares = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const fineShares = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat("en", { style: "percent", maximumSignificantDigits: 2 });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

export function count(number, one, many) {
  return `${whole.format(number)} ${number === 1 ? one : many}`;
}

export function percent(share) {
  if (share > 0 && share < 0.001) return "under 0.1%";
  return (share < 0.1 || share > 0.99) && share < 1 ? fineShares.format(share) : shares.format(share);
}

export function bytes(size) {
  const [unit, name] = size >= 1e9 ? [1e9, "GB"] : size >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(size / unit)} ${name}`;
}

export function date(seconds) {
  return day.format(new Date(seconds * 1000));
}

/** "Ana", "Ana and Ben", "Ana, Ben and Cem". */
export function join(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Sentences begin with a capital, whatever they begin with. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An item's id as a title and what kind of id it is. */
export function itemTitle(id) {
  const [, kind, rest] = /^([a-z][a-z0-9+.-]{0,15}):(?:\/\/)?(.+)$/s.exec(id) ?? [null, "", id];
  return { kind, title: rest, isCode: /^[0-9A-Za-z-]{12,}$/.test(rest) && /\d/.test(rest) };
}

/** Who stands behind an item: "Ana and 3 people they trust; none of them knows the others". */
export function because(line, nameOf) {
  const { voices, count: total, acquainted } = line.backing ?? { voices: [], count: 0, acquainted: 0 };
  if (line.unverified && line.reasons.length) return "A find: this place is filled by what anybody holds, trusted or not.";
  if (line.unverified) return "Nobody whom you endorse stands behind this.";
  if (!total) return `Found through ${join(line.reasons.map((reason) => nameOf(reason.contact)))}.`;
  const place = new Map(line.reasons.map((reason, number) => [reason.contact, number]));
  const contacts = [...new Set(voices.map((voice) => voice.contact))];
  contacts.sort((a, b) => (place.get(a) ?? place.size) - (place.get(b) ?? place.size)); // as the shares have them
  const own = new Set(voices.map((voice) => voice.identity));
  const holders = contacts.filter((contact) => own.has(contact)).map(nameOf);
  const named = holders.slice(0, 3);
  const others = total - named.length;
  const people = join([...named, ...(others ? [`${count(others, "person", "people")} ${whose(voices, contacts, holders, nameOf)}`] : [])]);
  const isChain = named.length === 1 && others === 1 && contacts.length === 1; // they know each other, as the sentence says
  return `${people}${isChain ? "" : acquaintance(total, acquainted)}.`;
}

/** Through whom the user knows those whom a sentence only counts: "they trust" where it has named them. */
function whose(voices, contacts, holders, nameOf) {
  if (holders.length > 3) return "you or they trust";
  const through = contacts.filter((contact) => voices.some((voice) => voice.contact === contact && voice.identity !== contact));
  const names = through.map(nameOf);
  if (holders.length && names.every((name) => holders.includes(name))) return "they trust";
  return `${join(names.slice(0, 3))} ${names.length === 1 ? "trusts" : "trust"}`;
}

function acquaintance(people, pairs) {
  if (people < 2) return "";
  if (people === 2) return pairs ? "; they know each other" : "; neither knows the other";
  if (!pairs) return "; none of them knows the others";
  return pairs === 1 ? "; two of them know each other" : "; some of them know each other";
}

/** The Sybil bound: a figure, and what it means. */
export function bound(found, nameOf, isAnchored) {
  if (!found.heaviest_contact) {
    if (isAnchored) return { figure: "", text: "No bound yet: your node holds nothing yet of anybody whom your trust reaches." };
    return {
      figure: "",
      text: "No bound yet. You endorse nobody, so nothing holds your list in place: it shows what strangers have. Endorse a friend and this says how much of your trust strangers would need to get at your list.",
    };
  }
  const heaviest = nameOf(found.heaviest_contact);
  const share = percent(found.heaviest_share);
  if (!found.trust_needed) {
    return {
      figure: "",
      text: `No bound yet: your list has fewer than ten items, so whatever anybody whom you trust holds finds room on it. Of the trust behind it ${share} comes through ${heaviest}, the largest part.`,
    };
  }
  const single =
    found.heaviest_share < found.trust_needed
      ? `Of the trust behind your list ${share} comes through ${heaviest}, the largest part.`
      : `Of the trust behind your list ${share} comes through ${heaviest}, the largest part, which could be enough if ${heaviest} were deceived or hostile. Endorsing others makes that less.`;
  return {
    figure: exact.format(found.trust_needed),
    text: `of your trust, before anything that only they hold could score what the tenth on your list does, however many they are and whatever they do. ${single}`,
  };
}

/** What one broker delivered of what it should have. */
export function coverage(report, nameOf) {
  if (!report || !report.expected || report.coverage === null) return "Nothing to compare yet: no record came by another way.";
  const parts = [`Delivered ${percent(report.coverage)} of ${count(report.expected, "record", "records")} that are known to exist.`];
  if (report.lateness_ms) parts.push(`${whole.format(Math.round(report.lateness_ms))} ms behind the first copy on average.`);
  if (report.replayed) parts.push(`Sent ${count(report.replayed, "old record", "old records")} again.`);
  if (report.withheld.length) {
    const named = report.withheld.slice(0, 5).map(nameOf);
    const rest = report.withheld.length - named.length;
    if (rest) named.push(count(rest, "other", "others"));
    parts.push(`Seems to withhold what ${join(named)} ${report.withheld.length === 1 ? "says" : "say"}: more is missing than chance explains.`);
  }
  return parts.join(" ");
}

/** That a broker hangs up again and again, which shows nowhere else while it is connected. */
export function hangups(broker) {
  const reason = broker.connected || broker.reason !== broker.last_loss ? ` (${broker.last_loss})` : ""; // else it is said already
  return `The connection was lost ${count(broker.lost_count, "time", "times")} in the last ten minutes${reason}. What a broker delivers in between is not judged.`;
}

/** What became of a database that was found damaged. */
export function salvage({ file, problem, records, lost_records: lost, private: kept, lost_private: gone }) {
  const parts = [`The database was damaged (${problem}). Saved: ${count(records, "record", "records")} and ${count(kept, "private interaction", "private interactions")}.`];
  if (lost) parts.push(`At least ${count(lost, "record was", "records were")} not; the network brings them back.`);
  if (gone) parts.push(`${count(gone, "private interaction is", "private interactions are")} gone, unless a backup has ${gone === 1 ? "it" : "them"}.`);
  return `${parts.join(" ")} The damaged file is ${file}; delete it once you need it no more.`;
}

/** What the user says of a person. */
export function stance(weight) {
  if (weight > 0) return weight < 1 ? `endorsed at ${percent(weight)}` : "endorsed";
  return weight < 0 ? "blocked" : "";
}
