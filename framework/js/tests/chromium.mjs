// The system's Chromium, and waiting for what is seen.
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

export async function launch() {
  const wanted = process.env.CHROMIUM ?? "chromium";
  const executablePath = wanted.includes("/") ? wanted : execFileSync("which", [wanted], { encoding: "utf8" }).trim();
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
}

export const WAIT = { timeout: 60_000 };

/** Opens a page that fails the test when one of its scripts throws. */
export async function open(context, address) {
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    console.error(error);
    process.exit(1);
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) console.log("console:", message.text());
  });
  await page.goto(address);
  return page;
}
