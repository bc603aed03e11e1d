/** A mail in plain text. It contains nothing that a stranger typed. */
export interface Letter {
  readonly subject: string;
  readonly text: string;
}

export function passwordResetLetter(token: string, page: string | undefined): Letter {
  return {
    subject: "Set a new password",
    text: `${handedOver("a new password for this account", token, page)}
It works once, within an hour. If it was not you who asked, ignore this mail: nothing has changed.
`,
  };
}

export function emailChangeLetter(token: string, page: string | undefined): Letter {
  return {
    subject: "Confirm this address",
    text: `${handedOver("this address for an account", token, page)}
It works once, within a day. If it was not you who asked, ignore this mail: nothing has changed.
`,
  };
}

export const addressTakenLetter: Letter = {
  subject: "This address has an account already",
  text: `Somebody asked to use this address for another account. It stays with yours: nothing has changed.
`,
};

export const passwordChangedLetter: Letter = {
  subject: "Your password was changed",
  text: `The password of your account was changed, and its other sessions were ended.
If it was not you, ask for a new password at once.
`,
};

export const emailChangedLetter: Letter = {
  subject: "Your address was changed",
  text: `Your account has another address now; no more mail comes to this one.
If it was not you, turn to an administrator at once.
`,
};

function handedOver(what: string, token: string, page: string | undefined): string {
  // The token is in the fragment, which browsers send to no server.
  const way = page === undefined ? `use this token:\n\n${token}` : `open this page:\n\n${page}#token=${token}`;
  return `To choose ${what}, ${way}\n`;
}
