// Copying text. Answers whether it worked: the clipboard is refused on insecure origins and in some
// frames, and then the caller says so.

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
