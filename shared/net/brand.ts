declare const brand: unique symbol;

/** A `T` that a parser has checked: only that parser makes one, so a raw value in its place does not compile. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
