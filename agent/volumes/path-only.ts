/** O_PATH of Linux: opens a location without access to its content. */
export const pathOnly = 0x20_0000;
