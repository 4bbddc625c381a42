/** What hangs on a message before it is sent: images, and pasted texts too long for the field. */

export interface Attachment {
  key: number;
  kind: "image" | "text";
  name: string;
  /** A `data:` URL, or the text itself. */
  content: string;
}

export const LONG_PASTE_CHARS = 20_000;
const IMAGES = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MOST_IMAGE_CHARS = 7_000_000;
const MOST_IMAGES = 10;

let numbers = 0;

export function pasted(text: string): Attachment {
  const lines = text.split("\n").length;
  return { key: ++numbers, kind: "text", name: `Pasted text, ${lines.toLocaleString("en")} ${lines === 1 ? "line" : "lines"}`, content: text };
}

/** Files -> attachments, and what to say of those that cannot be taken. */
export async function imagesOf(files: Iterable<File>, before: Attachment[]): Promise<{ taken: Attachment[]; refused: string }> {
  const taken: Attachment[] = [];
  let refused = "";
  const size = (): number => [...before, ...taken].filter((one) => one.kind === "image").reduce((sum, one) => sum + one.content.length, 0);
  for (const file of files) {
    if (!IMAGES.includes(file.type)) refused = `${file.name} is not a PNG, JPEG, WebP or GIF image.`;
    else if (before.length + taken.length >= MOST_IMAGES) refused = "At most 10 images go with a message.";
    else {
      const content = await dataUrl(file);
      if (size() + content.length > MOST_IMAGE_CHARS) refused = `${file.name} is too large: images may be 5 MB in all.`;
      else taken.push({ key: ++numbers, kind: "image", name: file.name || "image", content });
    }
  }
  return { taken, refused };
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("unreadable"));
    reader.readAsDataURL(file);
  });
}
