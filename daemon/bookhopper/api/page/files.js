/** What a dropped or chosen file is, told before anything of it is sent. */

const LONGEST_NAME = 200;
const BOOKS = /\.(azw[34]?|cb[7rtz]|chm|djvu?|epub|fb2|kfx|lit|mobi|pdb|pdf|prc)$/i;
const DOCUMENTS = /\.(docx?|od[st]|pages|rtf|xlsx?)$/i;
const MAGICS = [
  [0, "PK\x03\x04"],
  [0, "%PDF-"],
  [0, "Rar!"],
  [60, "BOOKMOBI"],
];
const HEAD = 68; // as far as the last of these reaches

const WANTED = "a text file with one title a line";

/** A file's name as the daemon takes it: printable and not too long, with its ending, which tells the format. */
export function nameOf(file) {
  const name = file.name.replace(/[/\p{C}\p{Zl}\p{Zp}]/gu, "_").slice(-LONGEST_NAME);
  return name || "list.txt";
}

/** What a file is: a "list" for all that is known, or else a "book", a "document" or "unreadable". */
export async function kindOf(file) {
  if (BOOKS.test(file.name)) return "book";
  if (DOCUMENTS.test(file.name)) return "document";
  let head;
  try {
    head = String.fromCharCode(...new Uint8Array(await file.slice(0, HEAD).arrayBuffer()));
  } catch {
    return "unreadable"; // a folder, or a file that is gone
  }
  return MAGICS.some(([at, magic]) => head.startsWith(magic, at)) ? "book" : "list";
}

const SENTENCES = {
  book: (names) => `${are(names, "a book, not a list", "books, not lists")} of books: drop ${WANTED}.`,
  document: (names) => `${are(names, "no plain text", "no plain text")}: save the list as ${WANTED}, and drop that.`,
  unreadable: (names) => `${are(names, "no file that can be read", "no files that can be read")}: drop ${WANTED}.`,
};

/** Say why files of a kind are not taken. */
export const refusal = (kind, names) => SENTENCES[kind](names);

function are([first, ...others], one, many) {
  if (others.length === 0) return `${first} is ${one}`;
  return `${first} and ${others.length === 1 ? others[0] : `${others.length} others`} are ${many}`;
}
